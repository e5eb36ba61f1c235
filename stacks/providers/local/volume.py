"""A volume of a host: it outlives the host's container and goes with the environment."""

from __future__ import annotations

import threading
from pathlib import Path

from hxp_enterprise_llm.schemas.base import CitadelModel
from providers.local.naming import labels
from providers.local.network import refuse_foreign
from providers.local.podman import inspect, label_arguments, podman
from providers.plugin import Found, Properties, Report, Resource

_FREEING = threading.Lock()


class VolumeInputs(CitadelModel):
    """A named volume of podman."""

    name: str
    checkout: str
    environment: str


class Volume(Resource[VolumeInputs]):
    """Made by `podman volume create`."""

    inputs = VolumeInputs

    def create(self, inputs: VolumeInputs, report: Report) -> tuple[str, Properties]:
        """Make it, or adopt ours with what is in it; see the base class."""
        report("creating")
        if self.read(inputs.name, inputs, {}) is None:
            own = labels(Path(inputs.checkout), inputs.environment)
            podman("volume", "create", *label_arguments(own), inputs.name)
        return inputs.name, {}

    def read(
        self,
        identity: str,
        inputs: VolumeInputs,
        known: Properties,  # noqa: ARG002
    ) -> Found[VolumeInputs] | None:
        """Return it as it is; see the base class."""
        data = inspect("volume", identity)
        if data is None:
            return None
        refuse_foreign("volume", identity, data.get("Labels") or {}, inputs)
        return Found(inputs, {})

    def delete(self, identity: str, inputs: VolumeInputs) -> None:  # noqa: ARG002
        """Remove it with what is in it; see the base class."""
        if inspect("volume", identity) is not None:
            _free(identity)
            podman("volume", "rm", identity)


def _free(volume: str) -> None:
    """Remove the host that an interrupted run left on a volume, unknown to the state."""
    with _FREEING:
        users = podman("ps", "--all", "--quiet", "--filter", f"volume={volume}").split()
        if users:
            podman("rm", "--force", "--ignore", *users)
