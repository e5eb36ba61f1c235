"""Records as files of one folder: `00000007.json`, mode 0600, each written whole or not at all."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hxp_enterprise_llm.configuration.revisions.base import (
    RevisionError,
    UnreadableRevisionError,
)
from hxp_enterprise_llm.utilities.files import write_atomic

_LOCK = ".lock"


class FileShelf:
    """Records in a folder, which is made with mode 0700 at the first write.

    A file gets its name when its content is on the disk, and a name is never given twice. Writers
    of several processes wait for each other; readers wait for nobody.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """Return `folder PATH`."""
        return f"folder {self.folder}"

    async def newest(self, below: int | None = None) -> tuple[int, bytes] | None:
        """Return the record with the highest number."""
        return await asyncio.to_thread(self._newest, below)

    async def read(self, number: int) -> bytes | None:
        """Return a record."""
        return await asyncio.to_thread(self._read, number)

    async def span(self, first: int, last: int) -> dict[int, bytes]:
        """Return the records from one number to another."""
        return await asyncio.to_thread(self._span, first, last)

    async def add(self, records: Mapping[int, bytes]) -> bool:
        """Add records in the order of their numbers, each synced before the next."""
        return await asyncio.to_thread(self.add_now, records)

    def add_now(self, records: Mapping[int, bytes]) -> bool:
        """Add records; as `add`, for callers that are no coroutines."""
        with self._reporting("write"), self._locked():
            if any(self._path(number).exists() for number in records):
                return False
            for number in sorted(records):
                write_atomic(self._path(number), records[number], mode=0o600)
                # The name is lost with the machine's power unless the folder is synced too.
                _sync(self.folder)
            return True

    async def set_aside(self, numbers: Sequence[int], mark: str) -> str:
        """Give records another name of the same folder: `00000007.damaged-MARK`."""
        return await asyncio.to_thread(self._set_aside, numbers, mark)

    def _set_aside(self, numbers: Sequence[int], mark: str) -> str:
        with self._reporting("write"), self._locked():
            for number in numbers:
                with suppress(FileNotFoundError):
                    path = self._path(number)
                    path.rename(path.with_suffix(f".damaged-{mark}"))
            _sync(self.folder)
        return str(self.folder / f"*.damaged-{mark}")

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08d}.json"

    def _newest(self, below: int | None) -> tuple[int, bytes] | None:
        wanted = (number for number in self._numbers() if below is None or number < below)
        number = max(wanted, default=0)
        record = self._read(number) if number else None
        return (number, record) if record is not None else None

    def _read(self, number: int) -> bytes | None:
        try:
            return self._path(number).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            why = f"cannot be read: {error.strerror}"
            raise UnreadableRevisionError(number, self.name, why) from error

    def _span(self, first: int, last: int) -> dict[int, bytes]:
        wanted = [number for number in sorted(self._numbers()) if first <= number <= last]
        found = {number: self._read(number) for number in wanted}
        return {number: record for number, record in found.items() if record is not None}

    def _numbers(self) -> list[int]:
        with self._reporting("read"):
            try:
                # Not by a pattern: that finds nothing in a folder that must not be read.
                names = [path.name for path in self.folder.iterdir()]
            except FileNotFoundError:
                return []
        stems = [name.removesuffix(".json") for name in names if name.endswith(".json")]
        # Only names as they are given here: what cannot be read back is none of ours.
        numbers = [int(stem) for stem in stems if stem.isdecimal() and stem.isascii()]
        return [number for number in numbers if self._path(number).stem in stems]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            for left in self.folder.glob(".*.json.*"):
                # Only a killed writer leaves one: whoever writes holds the lock.
                left.unlink(missing_ok=True)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _reporting(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RevisionError(
                f"{self.name}: cannot {verb} revisions: {error.strerror}",
                next_step="Make room, or mend the folder's permissions.",
            ) from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
