"""One apply at a time for each service; the kernel frees the lock however the process ends."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .system import BundleError, Host

FOLDER = "/run/citadel"
_PAUSE = 0.2


@contextmanager
def exclusive(host: Host, name: str, wait: float = 60) -> Iterator[None]:
    """Hold the lock of a service.

    Raises:
        BundleError: Another process held it all the time; the text names it. Or somebody else owns
            the place of the locks.
    """
    with _open(_folder(host) / f"{name}.lock") as file:
        deadline = host.clock() + wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if host.clock() > deadline:
                    file.seek(0)
                    holder = file.read().strip() or "unknown"
                    raise BundleError(
                        f"{name} is being changed by process {holder}; wait for it to end"
                    ) from None
                host.sleep(_PAUSE)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def _folder(host: Host) -> Path:
    """Return the folder of the locks: ours alone, so that nobody can plant a link in it."""
    folder = host.path(FOLDER)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise BundleError(f"{FOLDER} is not a folder of root; see who made it, then remove it")
    folder.chmod(0o700)
    return folder


def _open(path: Path) -> IO[str]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BundleError(f"the lock {path} cannot be opened: {error.strerror}") from None
    return os.fdopen(handle, "r+")
