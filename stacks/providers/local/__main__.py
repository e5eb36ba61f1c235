"""The plugin's process, started by `pulumi-resource-citadel-local`."""

from __future__ import annotations

from providers.local.host import Host
from providers.local.image import Image
from providers.local.network import Network
from providers.local.volume import Volume
from providers.plugin import serve

serve(
    "citadel-local",
    {"Network": Network(), "Volume": Volume(), "Image": Image(), "Host": Host()},
)
