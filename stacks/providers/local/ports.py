"""Who holds a port of this machine."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable

from hxp_enterprise_llm.core.exceptions import RefusedError
from hxp_enterprise_llm.utilities.process import run
from providers.local.podman import Inspection, as_root, podman


def refuse_busy(ports: Iterable[str]) -> None:
    """Refuse ports on 127.0.0.1 that somebody listens on already.

    Raises:
        RefusedError: Names the port and its holder.
    """
    for port in ports:
        if not is_free(int(port)):
            raise RefusedError(
                f"port 127.0.0.1:{port} is busy: {holder(int(port))}",
                next_step="Stop that, or give the environment other ports: provider.slot.",
            )


def holder(port: int) -> str:
    """Return who listens on a port: a container, a process with its id, or `unknown`."""
    listed: list[Inspection] = json.loads(podman("ps", "--format", "json"))
    for container in listed:
        for item in container.get("Ports") or []:
            first = item["host_port"]
            if first <= port < first + item.get("range", 1):
                return f"container {container['Names'][0]}"
    found = run((*as_root(), "ss", "-Hltnp", f"sport = :{port}"), check=False).stdout
    _, mark, users = found.partition("users:((")
    if not mark:
        return "its holder is not visible to this user"
    name, pid = users.split(",")[:2]
    return f"process {name.strip(chr(34))} ({pid.replace('=', ' ')})"


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
