"""One apply at a time for each service; the kernel frees the lock however the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

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
    with (folder / f"{name}.lock").open("a+") as file:
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
