"""The host as the other modules see it: a root folder, a way to run commands, a step hook."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BundleError(Exception):
    """A failure that an operator can act on; its text goes into the task's message."""


@dataclass(frozen=True)
class Done:
    """A command that has ended: its code and its two outputs together."""

    code: int
    output: str


Runner = Callable[[Sequence[str], float], Done]


def run_command(command: Sequence[str], timeout: float) -> Done:
    """Run a command to its end; a missing program is code 127, a timeout 124."""
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
            env={"PATH": PROGRAMS, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        )
    except FileNotFoundError:
        return Done(127, f"{command[0]}: not found")
    except subprocess.TimeoutExpired as error:
        return Done(124, (error.stdout or b"").decode(errors="replace") + "\n(timed out)")
    return Done(done.returncode, done.stdout.decode(errors="replace"))


def _no_step(_name: str) -> None:
    return None


@dataclass(frozen=True)
class Host:
    """Where to work and how.

    Args:
        root: Prefix of every path; `/` on a real host, a temporary folder in tests.
        run: Starts commands.
        step: Called before each step that changes something; tests stop the process there.
        owner: User and group of credentials.
        clock: Seconds that only go forward.
        sleep: Waits some seconds.
    """

    root: Path = Path("/")
    run: Runner = run_command
    step: Callable[[str], None] = _no_step
    owner: tuple[str, str] = ("root", "root")
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def path(self, path: str) -> Path:
        """Return where an absolute path of the host lies."""
        return self.root / path.lstrip("/")

    def command(self, *command: str, timeout: float = 120) -> str:
        """Run a command that must succeed and return its output.

        Raises:
            BundleError: It ended with another code than 0.
        """
        done = self.run(command, timeout)
        if done.code != 0:
            raise BundleError(f"`{' '.join(command)}` ended with {done.code}: {tail(done.output)}")
        return done.output


def tail(text: str, lines: int = 30) -> str:
    """Return the last lines of a text."""
    return "\n".join(text.strip().splitlines()[-lines:])


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_synced(path: Path, data: bytes, mode: int, owner: tuple[int, int]) -> None:
    """Write a new file whole, with its mode and owner, and sync it."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        os.fchown(file.fileno(), *owner)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())


def replace_synced(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file beside its place and rename it over the old one, synced."""
    beside = path.with_name(f".{path.name}.citadel-new")
    write_synced(beside, data, mode, (os.geteuid(), os.getegid()))
    beside.replace(path)
    sync_folder(path.parent)


def replace_link(path: Path, target: str) -> None:
    """Point a symbolic link at a target in one rename."""
    beside = path.with_name(f".{path.name}.citadel-new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(path)
    sync_folder(path.parent)


def make_folders(folder: Path) -> list[Path]:
    """Make a folder with its parents (0755) and return those that are new, outermost first."""
    missing: list[Path] = []
    while not folder.exists():
        missing.insert(0, folder)
        folder = folder.parent
    for path in missing:
        path.mkdir(mode=0o755)
        path.chmod(0o755)
    return missing
