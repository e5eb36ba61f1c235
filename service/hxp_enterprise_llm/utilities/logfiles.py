"""A log file that is rotated each day and at a size, and whose past is kept for so long."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

_DAY = 86_400
_MODE = 0o640


class RotatingLogFile(RotatingFileHandler):
    """Writes `citadel.log`; its past is `citadel.log.1`, the newest, to `citadel.log.N`.

    Args:
        path: The file; its folder must exist.
        max_bytes: It is rotated before it grows beyond this.
        keep_files: How many rotated files are kept.
        keep_days: Rotated files that were last written before this many days are removed.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        keep_files: int,
        keep_days: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock, self._keep_days = clock, keep_days
        self._day = _written(path, clock()) // _DAY
        super().__init__(path, maxBytes=max_bytes, backupCount=keep_files, encoding="utf-8")
        self._remove_old()

    def _open(self) -> TextIOWrapper:
        # Readable by the service's group only, from the first byte on.
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE)
        return open(handle, "a", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123

    def shouldRollover(self, record: logging.LogRecord) -> int:  # noqa: N802 # the library's name
        """Tell whether the record begins a new file: another day, or the size is reached."""
        return int(self._clock() // _DAY != self._day or super().shouldRollover(record))

    def doRollover(self) -> None:  # noqa: N802 # the library's name
        """Begin a new file, and remove what is older than it may be."""
        super().doRollover()
        self._day = self._clock() // _DAY
        self._remove_old()

    def _remove_old(self) -> None:
        oldest = self._clock() - self._keep_days * _DAY
        for number in range(1, self.backupCount + 1):
            file = Path(f"{self.baseFilename}.{number}")
            if _written(file, oldest) < oldest:
                file.unlink(missing_ok=True)


def _written(file: Path, otherwise: float) -> float:
    """Return when a file was last written, in Unix time."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return otherwise
