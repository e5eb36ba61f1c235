"""One apply at a time for each service; the kernel frees the lock however the process ends."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import Iterator

from .system import BundleError, Host

_PAUSE = 0.2


@contextmanager
def exclusive(host: Host, name: str, wait: float = 60) -> Iterator[None]:
    """Hold the lock of a service.

    Raises:
        BundleError: Another process held it all the time; the text names it.
    """
    folder = host.path("/run/lock/citadel")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{name}.lock", "a+") as file:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    file.seek(0)
                    holder = file.read().strip() or "unknown"
                    raise BundleError(
                        f"{name} is being changed by process {holder}; wait for it to end"
                    ) from None
                time.sleep(_PAUSE)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield
