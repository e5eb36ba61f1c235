"""Files of secrets: closed to others, read again only when they have changed."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretFileError,
    SecretRefusedError,
    TamperedError,
)
from hxp_enterprise_llm.utilities.files import write_atomic

RESTORE = "Restore it from a backup: citadel secrets restore ENVIRONMENT FILE --replace."
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


def replace_whole(path: Path, text: str) -> None:
    """Put a file of mode 0600 where another is, so that it outlives a loss of power.

    A link stays a link: what it points to is replaced.
    """
    target = path.resolve()
    write_atomic(target, text, mode=0o600)
    # The new name is lost with the machine's power unless the folder is synced too.
    handle = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def reporting(path: Path, verb: str) -> Iterator[None]:
    """Say of a file that the system refuses which one it is and what to do.

    Raises:
        SecretFileError: It cannot be read or written.
    """
    try:
        yield
    except OSError as error:
        raise SecretFileError(
            f"{path} cannot be {verb}: {error.strerror}",
            next_step="Mend the owner and mode of it and of its folder, or make room.",
        ) from None


def document_in(content: bytes) -> Any:
    """Return a JSON document.

    Raises:
        ValueError: It is none.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None


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


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock as `locked` does.

    Raises:
        SecretFileError: It cannot be taken.
    """
    with ExitStack() as stack:
        with reporting(path, "locked"):
            stack.enter_context(locked(path))
        yield


def member(document: Any, name: str, kind: type, where: Path) -> Any:
    """Return a member of a JSON document.

    Raises:
        TamperedError: It is missing or of another type.
    """
    value = document.get(name) if isinstance(document, dict) else None
    if not isinstance(value, kind):
        raise TamperedError(
            f"{where} has no valid {name!r}",
            next_step=RESTORE,
        )
    return value
