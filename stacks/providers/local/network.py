"""The network of an environment."""

from __future__ import annotations

import json
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError, RefusedError
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.utilities.process import CommandError
from providers.local.naming import CHECKOUT, ENVIRONMENT, labels
from providers.local.podman import Inspection, inspect, label_arguments, podman
from providers.plugin import Found, Properties, Report, Resource


class NetworkInputs(CitadelModel):
    """A bridge of this machine; `internal` cuts its hosts off from everything else."""

    name: str
    checkout: str
    environment: str
    subnet: str
    gateway: str
    internal: bool = False


class Network(Resource[NetworkInputs]):
    """Made by `podman network create`."""

    inputs = NetworkInputs

    def create(self, inputs: NetworkInputs, report: Report) -> tuple[str, Properties]:
        """Make it, or adopt ours; see the base class."""
        report("creating")
        found = self.read(inputs.name, inputs, {})
        if found is not None and found.inputs == inputs:
            return inputs.name, {}
        if found is not None:
            self.delete(inputs.name, inputs)
        self._make(inputs)
        return inputs.name, {}

    def read(
        self,
        identity: str,
        inputs: NetworkInputs,
        known: Properties,  # noqa: ARG002
    ) -> Found[NetworkInputs] | None:
        """Return it as it is; see the base class."""
        data = inspect("network", identity)
        if data is None:
            return None
        refuse_foreign("network", identity, data.get("labels") or {}, inputs)
        subnets = data.get("subnets") or [{}]
        changed = {
            "subnet": subnets[0].get("subnet", ""),
            "gateway": subnets[0].get("gateway", inputs.gateway),
            "internal": bool(data.get("internal", False)),
        }
        return Found(inputs.model_copy(update=changed), {})

    def delete(self, identity: str, inputs: NetworkInputs) -> None:  # noqa: ARG002
        """Remove it; see the base class."""
        if inspect("network", identity) is not None:
            podman("network", "rm", "--force", identity)

    def _make(self, inputs: NetworkInputs) -> None:
        try:
            podman(
                *("network", "create", "--subnet", inputs.subnet, "--gateway", inputs.gateway),
                *(("--internal",) if inputs.internal else ()),
                *label_arguments(labels(Path(inputs.checkout), inputs.environment)),
                inputs.name,
            )
        except CommandError as error:
            holder = _holder(inputs.subnet)
            if holder is None:
                raise
            raise CitadelError(
                f"subnet {inputs.subnet} is already used by {holder}",
                next_step="Remove that, or give this environment another one: provider.slot.",
            ) from error


def refuse_foreign(
    kind: str, name: str, found: dict[str, str], inputs: NetworkInputs | CitadelModel
) -> None:
    """Refuse an object of our name that is not of our checkout and environment.

    Raises:
        RefusedError: Names the object and its owner.
    """
    own = (getattr(inputs, "checkout", ""), getattr(inputs, "environment", ""))
    theirs = (found.get(CHECKOUT), found.get(ENVIRONMENT))
    if theirs == own:
        return
    owner = f"environment {theirs[1]} of {theirs[0]}" if theirs[0] else "somebody else"
    raise RefusedError(
        f"there is a {kind} {name} already; it belongs to {owner}",
        next_step=f"Look at it with: podman {kind} inspect {name}; remove or rename it.",
    )


def _holder(subnet: str) -> str | None:
    listed: list[Inspection] = json.loads(podman("network", "ls", "--format", "json"))
    for network in listed:
        for item in network.get("subnets") or []:
            if item.get("subnet") == subnet:
                return f"podman network {network['name']}"
    return None
