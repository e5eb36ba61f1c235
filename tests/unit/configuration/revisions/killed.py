"""Writes a revision again and again, each time killed before another call into the kernel.

Run as a program: it forks, which a process with threads must not. Prints a line for each kill: how
many revisions there were after it, how many after one more was written, and what else lies there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from hxp_enterprise_llm.configuration.revisions import FileShelf, Revisions

# Modules whose functions are calls into the kernel.
KERNEL = ("posix", "fcntl")
BUFFERED = ("FileIO", "BufferedWriter", "TextIOWrapper")


def kernel_call(called: Any) -> bool:
    owner = type(getattr(called, "__self__", None)).__name__
    return getattr(called, "__module__", "") in KERNEL or owner in BUFFERED


def killed_before(number: int) -> Any:
    left = [number]

    def watch(_frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and kernel_call(called):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return watch


def written(folder: Path, number: int) -> bool:
    """Write a revision in a child that is killed; return whether it came to its end before."""
    child = os.fork()
    if child == 0:
        shelf = FileShelf(folder)
        record = asyncio.run(_next(shelf))
        watch = killed_before(number)
        threading.setprofile(watch)
        sys.setprofile(watch)
        shelf.add_now(record)
        sys.setprofile(None)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


async def _next(shelf: FileShelf) -> dict[int, bytes]:
    """Return the record that a store would write now."""
    taken: dict[int, bytes] = {}

    class Caught(FileShelf):
        def add_now(self, records: Any) -> bool:
            taken.update(records)
            return True

    await Revisions(Caught(shelf.folder)).append({"kept": "x" * 9000}, actor="a", reason="r")
    return taken


async def state(folder: Path) -> str:
    store = Revisions(FileShelf(folder))
    kept = len(await store.history())
    await store.append({"after": 1}, actor="a", reason="r")
    await store.verify()
    return f"{kept} {len(await store.history())} {','.join(others(folder))}"


def others(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".json")


def main(root: Path) -> None:
    for number in range(1000):
        folder = root / str(number)
        asyncio.run(Revisions(FileShelf(folder)).append({"old": 1}, actor="a", reason="r"))
        done = written(folder, number)
        sys.stdout.write(f"{asyncio.run(state(folder))}\n")
        if done:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
