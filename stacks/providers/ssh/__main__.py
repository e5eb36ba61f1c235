"""The plugin's process, started by `pulumi-resource-citadel-ssh`."""

from __future__ import annotations

import sys

from providers.plugin import serve
from providers.ssh.host import Host

# No object is made for a host that exists, so there is nothing to sweep up.
if sys.argv[1:2] != ["--sweep"]:
    serve("citadel-ssh", {"Host": Host()})
