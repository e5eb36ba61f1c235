"""One change at a time: a lock an environment, which names its holder."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.paths import environment_state


@contextmanager
def exclusive(environment: str, command: str) -> Iterator[None]:
    """Hold the lock of an environment; the kernel frees it however the process ends.

    Raises:
        CitadelError: Somebody else holds it; the text names who, since when and for what.
    """
    path = environment_state(environment) / "lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise _busy(environment, file.read()) from None
        file.seek(0)
        file.truncate()
        file.write(json.dumps(_holder(command)))
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()


def _holder(command: str) -> dict[str, str | int]:
    return {
        "user": getpass.getuser(),
        "machine": socket.gethostname(),
        "pid": os.getpid(),
        "command": command,
        "since": datetime.now(UTC).strftime("%H:%M:%S UTC"),
    }


def _busy(environment: str, text: str) -> CitadelError:
    try:
        holder = json.loads(text)
        who = "{user}@{machine} (pid {pid}) runs `{command}` since {since}".format(**holder)
        wait = f"Wait for it, or stop it: kill -INT {holder['pid']}"
    except (ValueError, KeyError):
        who, wait = "somebody is about to change it", "Try again in a moment."
    return CitadelError(f"environment {environment} is locked: {who}", next_step=wait)
