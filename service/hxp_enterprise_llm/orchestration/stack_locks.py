"""Locks of Pulumi's file backend: who holds a stack, and whether they still live."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.utilities.report import Report

_WAIT_SECONDS = 600.0
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Holder:
    """Who made a lock."""

    user: str
    machine: str
    pid: int

    def __str__(self) -> str:
        return f"{self.user}@{self.machine} (pid {self.pid})"

    def alive(self) -> bool:
        """Return whether the process may still run; one of another machine always may."""
        if self.machine != socket.gethostname():
            return True
        try:
            return Path(f"/proc/{self.pid}/comm").read_text().strip() == "pulumi"
        except OSError:
            return False


def holders(backend: Path, stack: str) -> tuple[Holder, ...]:
    """Return who holds a stack of a file backend.

    Args:
        backend: Folder of the backend.
        stack: Name of the stack.
    """
    found = []
    for path in sorted((backend / ".pulumi" / "locks").glob(f"**/{stack}/*.json")):
        try:
            data = json.loads(path.read_text())
        except (OSError, ValueError):
            continue  # Given back, or half written, in this moment.
        found.append(Holder(data["username"], data["hostname"], int(data["pid"])))
    return tuple(found)


def wait(
    backend: Path, stack: str, report: Report, *, seconds: float = _WAIT_SECONDS
) -> Holder | None:
    """Wait for living holders; return a dead one that left its lock, or None when all is free.

    Raises:
        CitadelError: A living holder does not end in time.
    """
    deadline = time.monotonic() + seconds
    said: Holder | None = None
    while True:
        found = holders(backend, stack)
        living = next((holder for holder in found if holder.alive()), None)
        if living is None:
            return found[0] if found else None
        if living != said:
            report(f"waiting for pulumi of {living}")
            said = living
        if time.monotonic() >= deadline:
            raise CitadelError(
                f"stack {stack} is locked by {living}",
                next_step=f"Wait for it or stop it (kill -INT {living.pid} there); "
                f"if it is surely gone: pulumi cancel --stack {stack}",
            )
        time.sleep(_POLL_SECONDS)
