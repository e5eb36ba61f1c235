"""A host: a container whose PID 1 is systemd, reached over SSH on 127.0.0.1."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hxp_enterprise_llm.schemas.base import CitadelModel
from providers.local.boot import authorize, host_key, wait_for_ssh, wait_for_systemd
from providers.local.cgroups import Group, cgroup
from providers.local.naming import DIGEST, VOLUMES, labels
from providers.local.network import refuse_foreign
from providers.local.podman import (
    Inspection,
    inspect,
    label_arguments,
    limits,
    podman,
    runtime,
)
from providers.local.ports import refuse_busy
from providers.plugin import Found, MutableResource, Properties, Report


class HostInputs(CitadelModel):
    """Everything that a container is made from."""

    name: str
    container: str
    checkout: str
    environment: str
    image: str
    network: str
    address: str
    ports: dict[str, int]
    ssh_address: str
    ssh_port: int
    memory: int
    cpus: float
    volumes: dict[str, str]
    store: str
    venvs: str
    authorized_key: str
    running: bool = True


# Without shared mounts systemd cannot hand a service its credentials (LoadCredential=).
INIT = ("/bin/sh", "-c", "mount --make-rshared / && exec /sbin/init")
_IN_PLACE = frozenset({"authorized_key", "running", "memory", "cpus"})


class Host(MutableResource[HostInputs]):
    """Made by `podman run`; its volumes are resources of their own."""

    inputs = HostInputs
    replace_on = frozenset(HostInputs.model_fields) - _IN_PLACE

    def create(self, inputs: HostInputs, report: Report) -> tuple[str, Properties]:
        """Make and boot it, or adopt what an interrupted run left; see the base class."""
        left = inspect("container", inputs.container)
        if left is not None:
            refuse_foreign("container", inputs.container, _labels(left), inputs)
            if _labels(left).get(DIGEST) != _digest(inputs) or not _running(left):
                self._remove(inputs)
                left = None
        if left is None:
            report("starting")
            refuse_busy(inputs.ports)
            self._run(inputs)
        return inputs.container, self._settle(inputs, report, fresh=True)

    def read(
        self, identity: str, inputs: HostInputs, known: Properties
    ) -> Found[HostInputs] | None:
        """Return it as it is now; see the base class."""
        data = inspect("container", identity)
        if data is None:
            return None
        refuse_foreign("container", identity, _labels(data), inputs)
        key = host_key(identity) if _running(data) else known.get("host_key", "")
        return Found(_as_it_is(data, inputs), {"host_key": key})

    def update(self, identity: str, inputs: HostInputs, report: Report) -> Properties:
        """Start it again, or give it its limits and key; see the base class."""
        data = inspect("container", identity)
        if data is not None and not _running(data):
            report("starting")
            refuse_busy(inputs.ports)
            podman("start", identity)
        # podman 4.3 forgets limits when the container stops; then Read sees that.
        podman("update", *_limits(inputs), identity)
        return self._settle(inputs, report, fresh=False)

    def delete(self, identity: str, inputs: HostInputs) -> None:  # noqa: ARG002
        """Remove the container, not its volumes; see the base class."""
        self._remove(inputs)

    @staticmethod
    def _remove(inputs: HostInputs) -> None:
        podman("rm", "--force", "--ignore", "--time", "10", inputs.container)

    @staticmethod
    def _run(inputs: HostInputs) -> None:
        own = labels(Path(inputs.checkout), inputs.environment) | {DIGEST: _digest(inputs)}
        ports = [
            part
            for outside, inside in inputs.ports.items()
            for part in ("--publish", f"127.0.0.1:{outside}:{inside}")
        ]
        volumes = [
            part
            for use, volume in sorted(inputs.volumes.items())
            for part in ("--volume", f"{volume}:{VOLUMES[use]}")
        ]
        podman(
            *("run", "--detach", "--name", inputs.container, "--hostname", inputs.name),
            *("--network", inputs.network, "--ip", inputs.address, "--network-alias", inputs.name),
            *("--mac-address", _mac(inputs.address)),
            *("--privileged", "--systemd=always", *runtime(), *limits()),
            *(*_limits(inputs), *ports, *volumes),
            *("--volume", f"{inputs.store}:/opt/citadel/store:ro"),
            *("--volume", f"{inputs.venvs}:/opt/citadel/venvs"),
            *("--stop-signal", "SIGRTMIN+3", *label_arguments(own)),
            *(inputs.image, *INIT),
        )

    @staticmethod
    def _settle(inputs: HostInputs, report: Report, *, fresh: bool) -> Properties:
        report("waiting for systemd")
        wait_for_systemd(inputs.container, fresh=fresh)
        authorize(inputs.container, inputs.authorized_key)
        key = host_key(inputs.container)
        report("waiting for sshd")
        wait_for_ssh(inputs.container, inputs.ssh_address, inputs.ssh_port)
        return {"host_key": key}


def _mac(address: str) -> str:
    """Return one card address for one IP address: neighbours' caches outlive a restart."""
    return "02:1c:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def _limits(inputs: HostInputs) -> tuple[str, ...]:
    return ("--memory", str(inputs.memory), "--cpus", str(inputs.cpus))


def _as_it_is(data: Inspection, inputs: HostInputs) -> HostInputs:
    settings = data["HostConfig"]
    group = cgroup(data["State"]) if _running(data) else Group(inputs.memory, inputs.cpus)
    networks = data["NetworkSettings"].get("Networks") or {}
    address = networks.get(inputs.network, {}).get("IPAddress", "")
    return inputs.model_copy(
        update={
            "image": data["ImageName"],
            "memory": group.memory,
            "cpus": group.cpus,
            "ports": _ports(settings.get("PortBindings") or {}),
            "network": inputs.network if inputs.network in networks else ",".join(networks),
            # A container that is stopped has no address to compare.
            "address": address or inputs.address,
            "running": _running(data),
        }
    )


def _ports(bindings: dict[str, list[dict[str, str]]]) -> dict[str, int]:
    return {
        bound["HostPort"]: int(inside.partition("/")[0])
        for inside, outside in bindings.items()
        for bound in outside
    }


def _labels(data: Inspection) -> dict[str, str]:
    return data["Config"].get("Labels") or {}


def _running(data: Inspection) -> bool:
    return bool(data["State"]["Status"] == "running")


def _digest(inputs: HostInputs) -> str:
    fixed = inputs.model_copy(update={"authorized_key": ""})
    return hashlib.sha256(fixed.model_dump_json().encode()).hexdigest()[:16]
