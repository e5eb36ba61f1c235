"""Files of secrets: closed to others, read again only when they have changed."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.configuration.secrets.errors import SecretRefusedError

Signature = tuple[int, int, int]
UNSEEN: Signature = (-1, -1, -1)
_TICK_NS = 50_000_000
"""Longer than the tick of a file system's clock: two changes within one look alike."""


def signature(path: Path) -> Signature | None:
    """Return what changes whenever a file is replaced; None when there is no file."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_ino, state.st_ctime_ns, state.st_size


def settled(seen: Signature) -> Signature:
    """Return a signature that may be relied on; one so fresh that it may not, as `UNSEEN`."""
    return seen if time.time_ns() - seen[1] > _TICK_NS else UNSEEN


def refuse_readable_by_others(path: Path) -> None:
    """Refuse a file that anybody but its owner can read or write.

    Raises:
        SecretRefusedError: Others can.
    """
    if path.stat().st_mode & 0o077:
        raise SecretRefusedError(
            f"{path} can be read by others", next_step=f"run: chmod 600 {path}"
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that other processes and threads wait for.

    Args:
        path: The lock file; made with mode 0600.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def member(document: Any, name: str, kind: type, where: Path) -> Any:
    """Return a member of a JSON document.

    Raises:
        SecretRefusedError: It is missing or of another type.
    """
    value = document.get(name) if isinstance(document, dict) else None
    if not isinstance(value, kind):
        raise SecretRefusedError(
            f"{where} has no valid {name!r}",
            next_step="Restore it from a backup: citadel secrets restore.",
        )
    return value
