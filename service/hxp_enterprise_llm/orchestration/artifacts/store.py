"""The store on disk: blobs by their SHA-256, and named views of hard links to them.

A view appears by one rename, so that a reader sees all of it or nothing. Hard links keep views
valid inside the read-only mount on hosts, and cost no space.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError

MANIFEST = "manifest.json"
_VIEW_FOLDERS = ("wheels", "models")


@dataclass(frozen=True)
class View:
    """A named folder of the store: relative path → SHA-256 of each file."""

    name: str
    files: Mapping[str, str]
    size: int


class Store:
    """The content-addressed store.

    Args:
        root: Its folder; made when it is missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = root / "lock"
        for name in ("blobs/sha256", "partial", "quarantine", "bin", "roots", *_VIEW_FOLDERS):
            (root / name).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep the collector away while something is brought and nobody links to it yet."""
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the store for removing.

        Raises:
            CitadelError: A fetch is running.
        """
        with self._lock.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CitadelError(
                    f"somebody is fetching into {self.root}", next_step="Try again when it ended."
                ) from None
            yield

    def blob(self, sha256: str) -> Path:
        """Return where the content with this hash lies, or would lie."""
        return self.root / "blobs" / "sha256" / sha256

    def has(self, sha256: str) -> bool:
        """Tell whether the content with this hash is there."""
        return self.blob(sha256).exists()

    def adopt(self, file: Path, sha256: str | None = None, *, executable: bool = False) -> str:
        """Move a complete file of the same file system into the store and return its SHA-256.

        Args:
            file: A file that nobody else writes.
            sha256: Its hash, when it has been computed already.
            executable: Whether it is a program.
        """
        sha256 = sha256 or hash_file(file)
        if self.has(sha256):
            # Views link to the one that is there.
            file.unlink()
            return sha256
        file.chmod(0o555 if executable else 0o444)
        file.replace(self.blob(sha256))
        return sha256

    def keep(self, content: bytes) -> str:
        """Write a short content into the store and return its SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.has(sha256):
            with tempfile.NamedTemporaryFile(dir=self.root / "partial", delete=False) as file:
                file.write(content)
            self.adopt(Path(file.name), sha256)
        return sha256

    def publish(self, view: str, files: Mapping[str, str]) -> None:
        """Make a view of blobs, at once.

        Args:
            view: Its path below the store, such as `wheels/gateway-0123456789abcdef`.
            files: Relative path → SHA-256 of each file.
        """
        final = self.root / view
        folder = Path(tempfile.mkdtemp(dir=self.root / "partial"))
        folder.chmod(0o755)
        sizes = {path: self.blob(sha256).stat().st_size for path, sha256 in files.items()}
        for path, sha256 in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(self.blob(sha256), target)
        listed = {path: {"sha256": files[path], "size": sizes[path]} for path in sorted(files)}
        (folder / MANIFEST).write_text(json.dumps({"version": 1, "files": listed}, indent=1))
        try:
            folder.rename(final)
        except OSError:
            shutil.rmtree(folder)
            if not final.exists():
                raise

    def link_program(self, name: str, sha256: str) -> bool:
        """Put `bin/NAME` on a blob; return whether that was a change."""
        target = self.root / "bin" / name
        if target.exists() and target.samefile(self.blob(sha256)):
            return False
        beside = target.with_name(f".{name}.{os.getpid()}")
        os.link(self.blob(sha256), beside)
        beside.replace(target)
        return True

    def has_view(self, view: str) -> bool:
        """Tell whether a view is there."""
        return (self.root / view / MANIFEST).exists()

    def view(self, name: str) -> View:
        """Return a view by its path below the store."""
        listed = json.loads((self.root / name / MANIFEST).read_text())["files"]
        files = {path: entry["sha256"] for path, entry in listed.items()}
        return View(name, files, sum(entry["size"] for entry in listed.values()))

    def views(self) -> Iterator[View]:
        """Yield all views, by name."""
        for folder in _VIEW_FOLDERS:
            for path in sorted((self.root / folder).iterdir()):
                yield self.view(f"{folder}/{path.name}")

    def set_aside(self, file: Path, name: str) -> Path:
        """Move a refused file or folder into quarantine and return where it lies."""
        folder = self.root / "quarantine"
        names = (name, *(f"{name}.{number}" for number in range(1, 1000)))
        target = next(folder / free for free in names if not (folder / free).exists())
        file.replace(target)
        return target


def hash_file(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_tree(hashes: Mapping[str, str]) -> str:
    """Return the SHA-256 of a folder: of the sorted lines `HASH  PATH`, as sha256sum prints them.

    Args:
        hashes: Relative path → SHA-256 of each file.
    """
    lines = "".join(f"{hashes[path]}  {path}\n" for path in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()
