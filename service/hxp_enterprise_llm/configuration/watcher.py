"""Tells of changed files: by events of their folders, by looking each minute, by SIGHUP."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from hxp_enterprise_llm.configuration.document import LIMITS
from hxp_enterprise_llm.utilities.logging import Logger
from hxp_enterprise_llm.utilities.retry import Retrier, RetryPolicy

_MOST_FILES = 1024
_AGAIN = 1.0
"""Seconds until events are tried again, and between two looks whether the folders are the same.

A folder that is renamed, or unmounted, has no event in itself: a look must notice it within 2 s."""
_RESTS = Retrier(RetryPolicy(attempts=None, deadline=None, first_wait=1, longest_wait=60))
"""Seconds until a watch that broke is tried again."""
_MOST_LINKS = 40
"""As many links as the kernel follows in one path."""
Changed = Callable[[str], Awaitable[None]]
"""Told why to look: `file`, `poll` or `signal`."""


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How changes are noticed.

    Attributes:
        quiet: Seconds without a further event after which a change is looked at.
        longest: Seconds after which it is looked at although events go on.
        poll: Seconds between two looks without any event: network file systems have none.
        files: Whether files are watched, and polled; SIGHUP and the API work without.
        signal: Whether SIGHUP reloads; at most one manager of a process may listen to it.
    """

    quiet: float = 0.05
    longest: float = 0.1
    poll: float = 60.0
    files: bool = True
    signal: bool = True


def fingerprint(paths: Iterable[Path], size: int = LIMITS.size) -> str:
    """Return a hash of the content of files, and of the files of folders.

    Times and inodes do not count: an edit that changes nothing is no change.
    """
    digest = hashlib.sha256()
    for path in sorted(set(paths)):
        for file in _files(path):
            digest.update(f"\0{file}\0".encode(errors="surrogateescape"))
            digest.update(_content(file, size))
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    try:
        # A folder of a million files must not hold up whoever asks.
        return sorted(item for item in islice(path.iterdir(), _MOST_FILES) if item.is_file())
    except OSError:
        return [path]


def _content(path: Path, size: int) -> bytes:
    try:
        if not path.is_file():
            return b"\0absent"
        with path.open("rb") as file:
            return file.read(size + 1)
    except OSError as error:
        return f"\0{error.errno}".encode()


def folders_of(paths: Iterable[Path]) -> frozenset[Path]:
    """Return the folders whose events tell of paths: parents, since files are swapped by rename.

    A link on the way, of a file or of a folder, is swapped in the folder that it lies in. A folder
    that is not there is told of by the nearest one above it that is.
    """
    found: set[Path] = set()
    for path in paths:
        for way in (path, *_links_in(path)):
            links, end = _followed(way)
            found.update(links)
            found.add(_nearest(end))
    return frozenset(found)


def _links_in(folder: Path) -> list[Path]:
    """Return the links of a folder, whose targets may change elsewhere."""
    try:
        with os.scandir(folder) as entries:
            some = islice(entries, _MOST_FILES)
            return [Path(entry) for entry in some if entry.is_symlink()]
    except OSError:
        return []


def _followed(path: Path) -> tuple[set[Path], Path]:
    """Return the folders of all links on the way of a path, and where it leads."""
    folders: set[Path] = set()
    at, left, links = Path("/"), list(path.absolute().parts[1:]), 0
    while left:
        part = left.pop(0)
        if part == "..":
            at = at.parent
            continue
        try:
            target = (at / part).readlink()
        # No link, or not there: what does not exist leads nowhere else.
        except (OSError, ValueError):
            at /= part
            continue
        folders.add(at)
        links += 1
        if links > _MOST_LINKS:
            return folders, at
        at = Path("/") if target.is_absolute() else at
        left[:0] = target.parts[1:] if target.is_absolute() else target.parts
    return folders, at


def _nearest(path: Path) -> Path:
    return next((folder for folder in (path, *path.parents) if _is_folder(folder)), Path("/"))


def _is_folder(path: Path) -> bool:
    """Return whether a path is a folder, as far as this account may know."""
    try:
        return path.is_dir()
    # Not to be looked into, or a name that is too long: a link may lead anywhere.
    except (OSError, ValueError):
        return False


@contextmanager
def unheard() -> Iterator[None]:
    """Let SIGHUP do nothing, where nobody hears it: by itself it would end the process."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


class Watcher:
    """Calls back when something may have changed; events that come meanwhile are one.

    Args:
        paths: Says which files and folders to watch; asked again after each change.
        changed: Called back, one call at a time.
        settings: How changes are noticed.
        logger: Told when events cannot be had.
        broken: Told why changes may not be noticed, and None when they are again.
    """

    def __init__(
        self,
        paths: Callable[[], tuple[Path, ...]],
        changed: Changed,
        settings: WatchSettings,
        logger: Logger,
        broken: Callable[[Exception | None], None] = lambda _: None,
    ) -> None:
        self._paths, self._changed, self._settings, self._log = paths, changed, settings, logger
        self._broken, self._troubles = broken, dict[str, Exception]()
        self._wake = asyncio.Event()
        self._causes: set[str] = set()
        self._ready = asyncio.Event()
        self._moved = asyncio.Event()
        self._folders: frozenset[Path] = frozenset()

    async def ready(self) -> None:
        """Wait until changes are noticed."""
        await self._ready.wait()

    def look(self, cause: str) -> None:
        """Ask for a look; many before the next one are one."""
        self._causes.add(cause)
        self._wake.set()

    async def run(self) -> None:
        """Watch until cancelled; whatever breaks is told, and tried again."""
        loop = asyncio.get_running_loop()
        if self._settings.signal:
            loop.add_signal_handler(signal.SIGHUP, self.look, "signal")
            # One that came while the process started was held back: it is heard now.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._lasting("work", self._work))
                if self._settings.files:
                    group.create_task(self._lasting("poll", self._poll))
                    group.create_task(self._lasting("events", self._events))
                else:
                    self._ready.set()
        finally:
            if self._settings.signal:
                loop.remove_signal_handler(signal.SIGHUP)

    async def _lasting(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Go on after any fault, later each time."""
        failed = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await work()
            except Exception as error:
                self._stands(name, error)
                self._log.exception("configuration.watch-broken")
            lasted = asyncio.get_running_loop().time() - began
            failed = 1 if lasted > _RESTS.policy.longest_wait else failed + 1
            await asyncio.sleep(_RESTS.pause(failed))
            # What changed meanwhile has no event; the look says whether it works again.
            self.look("file")

    def _stands(self, name: str, error: Exception | None = None) -> None:
        """Note how one part of the watch is, and tell how the whole is."""
        self._troubles.pop(name, None)
        if error is not None:
            self._troubles[name] = error
        self._broken(next(iter(self._troubles.values()), None))

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            causes, self._causes = self._causes, set()
            # Who asks by hand wants an answer even where no file changed.
            cause = next(name for name in ("signal", "poll", "file") if name in causes)
            await self._changed(cause)
            if self._folders and await self._are_others():
                self._moved.set()
            self._stands("work")

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._settings.poll)
            self.look("poll")

    async def _events(self) -> None:
        while True:
            # Before the folders are asked for: what moves from now on ends the watch.
            self._moved.clear()
            try:
                self._folders = await asyncio.to_thread(folders_of, self._paths())
                await self._until_moved(self._folders)
            except (OSError, RuntimeError) as error:
                # A folder went away, or the machine has no watches left; polling goes on.
                self._log.warning("configuration.no-file-events", error=type(error).__name__)
                self._ready.set()
                await asyncio.sleep(min(self._settings.poll, _AGAIN))

    async def _until_moved(self, folders: frozenset[Path]) -> None:
        """Tell of events until other folders must be watched."""
        from watchfiles import awatch

        inodes = await asyncio.to_thread(_inodes, folders)
        events = awatch(
            *folders,
            watch_filter=None,
            debounce=round(self._settings.longest * 1000),
            step=round(self._settings.quiet * 1000),
            stop_event=self._moved,
            rust_timeout=round(min(self._settings.poll, _AGAIN) * 1000),
            yield_on_timeout=True,
            recursive=False,
        )
        # What changed before the watch stood has no event.
        self.look("file")
        self._ready.set()
        self._stands("events")
        async for changes in events:
            if changes:
                self.look("file")
            # A folder that was removed and made anew is another one, which nobody watches.
            if await self._are_others() or await asyncio.to_thread(_inodes, folders) != inodes:
                return

    async def _are_others(self) -> bool:
        """Return whether other folders must be watched than those that are."""
        return await asyncio.to_thread(folders_of, self._paths()) != self._folders


def _inodes(folders: Iterable[Path]) -> dict[Path, int]:
    found = {}
    for folder in folders:
        try:
            found[folder] = folder.stat().st_ino
        except OSError:
            found[folder] = -1
    return found
