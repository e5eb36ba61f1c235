"""The plugin's process, started by `pulumi-resource-citadel-local`."""

from __future__ import annotations

import sys
from pathlib import Path

from providers.local.host import Host
from providers.local.image import Image
from providers.local.network import Network
from providers.local.sweep import sweep
from providers.local.volume import Volume
from providers.plugin import serve

if sys.argv[1:2] == ["--sweep"]:
    sweep(Path(sys.argv[2]), sys.argv[3])
    sys.exit(0)
serve(
    "citadel-local",
    {"Network": Network(), "Volume": Volume(), "Image": Image(), "Host": Host()},
)
