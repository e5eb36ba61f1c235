"""One change at a time: a lock an environment, which names its holder.

The lock is the kernel's (flock), on a file that every child of the holder has open too: it is free
when the last of them has ended, not when the holder is killed.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.paths import environment_state
from hxp_enterprise_llm.utilities.process import inherited
from hxp_enterprise_llm.utilities.report import Report

_WAIT_SECONDS = 600.0
_POLL_SECONDS = 0.2
_ENGINE = "pulumi"
_LANGUAGE_HOST = b"pulumi-language-"


@dataclass(frozen=True)
class Holder:
    """Who took the lock; `since` is in UTC, as ISO 8601 writes it."""

    user: str
    machine: str
    pid: int
    command: str
    since: str

    def __str__(self) -> str:
        return f"{self.user}@{self.machine} (pid {self.pid})"

    def start(self, today: datetime) -> str:
        """Return since when, with the day where that is not today."""
        since = datetime.fromisoformat(self.since)
        form = "%H:%M:%S UTC" if since.date() == today.date() else "%Y-%m-%d %H:%M:%S UTC"
        return since.strftime(form)


@contextmanager
def exclusive(
    environment: str,
    command: str,
    report: Report = lambda _: None,
    *,
    seconds: float = _WAIT_SECONDS,
) -> Iterator[None]:
    """Hold the lock of an environment; children hold it too, and it is free when all have ended.

    Args:
        environment: Its name.
        command: What the holder does, for those who are refused.
        report: Takes a line when what a killed holder had started is waited for.
        seconds: How long that is waited for.

    Raises:
        CitadelError: Somebody else holds it; the text names who, since when and for what.
    """
    path = environment_state(environment) / "lock"
    with path.open("a+") as file:
        _take(file, path, environment, report, seconds)
        _write(file, json.dumps(asdict(_myself(command))))
        try:
            with inherited(file.fileno()):
                yield
        finally:
            _write(file, "")


def _take(file: TextIO, path: Path, environment: str, report: Report, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    said = False
    while not _taken(file):
        holder, users = _holder(file), _users(path)
        if holder is not None and _alive(holder, users):
            raise _busy(environment, holder)
        if time.monotonic() >= deadline:
            raise _left_behind(environment, holder, users)
        if users and not said:
            said = True
            report(f"waiting for {_named(users)}, which an earlier run had started")
        _end_idle(users)
        time.sleep(_POLL_SECONDS)


def _taken(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(file: TextIO, text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()


def _holder(file: TextIO) -> Holder | None:
    """Return who took the lock; None while it is just being taken, or given back."""
    file.seek(0)
    try:
        return Holder(**json.loads(file.read()))
    except (ValueError, TypeError):
        return None


def _users(path: Path) -> dict[int, str]:
    """Return the other processes that have the lock's file open: pid → name."""
    wanted, found = str(path.resolve()), {}
    for folder in Path("/proc").glob("[0-9]*"):
        # Processes end while we look, and those of others cannot be looked into.
        with suppress(OSError):
            files = (folder / "fd").iterdir()
            if int(folder.name) != os.getpid() and any(wanted == _link(file) for file in files):
                found[int(folder.name)] = (folder / "comm").read_text().strip()
    return found


def _end_idle(users: dict[int, str]) -> None:
    """End the language host of an engine that is gone, and its program.

    They would look for the engine after five minutes only; without it they change nothing.
    """
    if _ENGINE in users.values():
        return
    for pid in users:
        with suppress(OSError):
            if _LANGUAGE_HOST in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


def _link(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""


def _alive(holder: Holder, users: dict[int, str]) -> bool:
    return holder.machine != socket.gethostname() or holder.pid in users


def _myself(command: str) -> Holder:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return Holder(getpass.getuser(), socket.gethostname(), os.getpid(), command, since)


def _busy(environment: str, holder: Holder) -> CitadelError:
    since = holder.start(datetime.now(UTC))
    return CitadelError(
        f"environment {environment} is locked: {holder} runs `{holder.command}` since {since}",
        next_step=f"Wait for it, or stop it: kill -INT {holder.pid}",
    )


def _left_behind(environment: str, holder: Holder | None, users: dict[int, str]) -> CitadelError:
    whose = "an earlier run"
    if holder is not None:
        since = holder.start(datetime.now(UTC))
        whose = f"`{holder.command}` of {holder}, which began {since} and is gone,"
    return CitadelError(
        f"environment {environment} is locked: {whose} had started {_named(users)}",
        next_step="Wait for it, or stop it: kill -INT " + " ".join(map(str, users)),
    )


def _named(users: dict[int, str]) -> str:
    return ", ".join(f"{name} (pid {pid})" for pid, name in users.items()) or "processes"
