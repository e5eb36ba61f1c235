"""Locks of Pulumi's backends: who holds a stack, and whether they still live.

Those of a file backend can be looked at; of a bucket or a database the engine names the holders
when it meets their locks.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.utilities.report import Report

ENGINE = "pulumi"
"""Name of the engine's process."""
_WAIT_SECONDS = 600.0
_POLL_SECONDS = 0.5
# Of pulumi's DIY backends (pkg/backend/diy/lock.go), one line a lock.
_NAMED = re.compile(r": created by (\S+)@(\S+) \(pid (\d+)\) at ")


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
            return Path(f"/proc/{self.pid}/comm").read_text().strip() == ENGINE
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
            raise _locked(living, stack)
        time.sleep(_POLL_SECONDS)


def named(output: str) -> tuple[Holder, ...]:
    """Return the holders that the engine names when it finds a stack locked.

    Args:
        output: What the engine printed.
    """
    return tuple(Holder(user, machine, int(pid)) for user, machine, pid in _NAMED.findall(output))


def refuse_living(found: Iterable[Holder], stack: str) -> None:
    """Refuse to go on when a holder may still run.

    Raises:
        CitadelError: One may; names it and what to do.
    """
    for holder in found:
        if holder.alive():
            raise _locked(holder, stack)


def _locked(holder: Holder, stack: str) -> CitadelError:
    return CitadelError(
        f"stack {stack} is locked by {holder}",
        next_step=f"Wait for it or stop it (kill -INT {holder.pid} there); "
        f"if it is surely gone: pulumi cancel --stack {stack}",
    )
