"""The configuration library: loading, reloading, reading, beside three peers on the same files."""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import config_sample as sample
import config_secrets
import config_service
from commands import BARE, tool
from config_peers import BARE as PLAIN
from figures import CHECKOUT, RESULTS, Figure, at_least, at_most, save, seconds

PEERS = ("pydantic-settings", PLAIN, "dynaconf", "hydra")
_PEERS_HOME = RESULTS / "peers"
_RUNS = 40
_CHANGES = 9
_ROUNDS = 12
_READS = 20_000
_READS_BETWEEN_CHANGES = 4_000
_OURS = (
    "from hxp_enterprise_llm.configuration.loader import load;"
    "load('stacks/environments/local.yaml')"
)


def measure() -> list[Figure]:
    """Return the figures of the configuration library."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = folder / "files"
        files.mkdir()
        sample.write(files)
        figures = [
            *_loading(files),
            asyncio.run(_change(files)),
            *config_secrets.measure(folder / "secrets"),
            config_service.measure(folder / "service"),
            asyncio.run(_hit_rate(files)),
            *_process(),
        ]
    save("config", figures)
    return figures


def _manager(files: Path) -> Any:
    from hxp_enterprise_llm.configuration.manager import ConfigurationManager
    from hxp_enterprise_llm.configuration.sources.folder import FolderSource

    return ConfigurationManager(_MODEL, [FolderSource(files)])


_MODEL = sample.model()


def _loading(files: Path) -> list[Figure]:
    ours, witness = asyncio.run(_load(files))
    peers = _peers(files, witness)
    name = "load and validate 200 keys in four files"
    rows = [Figure(name, "ms", ours, peer, value, at_most(50)) for peer, value in peers.items()]
    bare = peers["pydantic-settings"]
    return [
        *rows,
        Figure("… ours over pydantic-settings", "×", ours / bare, "", None, at_most(1.5)),
    ]


async def _load(files: Path) -> tuple[float, int]:
    """Return the milliseconds from nothing to a snapshot, and a value of it."""
    taken = []
    for _ in range(_RUNS + 1):
        started = time.perf_counter()
        snapshot = await _manager(files).load()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:]) * 1000, snapshot.config.section_00.key_00


def _peers(files: Path, witness: int) -> dict[str, float]:
    """Return the milliseconds of each peer, in the environment that the lock pins for them."""
    environ = os.environ | {"UV_PROJECT_ENVIRONMENT": str(_PEERS_HOME)}
    sync = [tool("uv"), "sync", "--locked", "--quiet", "--only-group", "bench"]
    subprocess.run(sync, cwd=CHECKOUT, env=environ, check=True)
    script = str(Path(__file__).with_name("config_peers.py"))
    found = {}
    for peer in PEERS:
        words = [str(_PEERS_HOME / "bin" / "python"), script, peer, str(files), str(_RUNS)]
        said = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
        if said["witness"] != witness:
            raise SystemExit(f"{peer} reads {said['witness']} where we read {witness}")
        found[peer] = statistics.median(said["seconds"]) * 1000
    return found


async def _change(files: Path) -> Figure:
    """Return the milliseconds from a rename over a file until ten subscribers were told."""
    manager = _manager(files)
    told: asyncio.Queue[int] = asyncio.Queue()

    async def subscriber(_: Any, new: Any) -> None:
        await told.put(new.config.section_00.key_00)

    for _ in range(10):
        manager.subscribe(subscriber)
    watching = asyncio.create_task(manager.watch())
    last = files / sample.FILES[-1]
    try:
        await _watched(manager, last)
        while not told.empty():
            told.get_nowait()
        taken = []
        for number in range(_CHANGES):
            started = time.perf_counter()
            _swap(last, number + 100)
            for _ in range(10):
                if await told.get() != number + 100:
                    raise SystemExit("a subscriber was told of another change")
            taken.append(time.perf_counter() - started)
            # What the system still says about this change is no part of the next one.
            await asyncio.sleep(0.3)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    name = "file change → ten subscribers on the new snapshot"
    return Figure(name, "ms", statistics.median(taken) * 1000, "", None, at_most(300))


async def _watched(manager: Any, file: Path) -> None:
    """Wait until a change of the file is noticed: then it is watched."""
    await manager.load()
    began, number = manager.snapshot.number, 50
    async with asyncio.timeout(30):
        while manager.snapshot.number == began:
            number += 1
            _swap(file, number)
            await asyncio.sleep(0.5)


def _swap(file: Path, value: int) -> None:
    """Put another value of the first key into a file, as editors and Kubernetes do: by rename."""
    text = file.read_text()
    line = next(line for line in text.splitlines() if sample.key(0) in line)
    other = file.with_suffix(".new")
    other.write_text(text.replace(line, f"  {sample.key(0)}: {value}", 1))
    other.replace(file)


async def _hit_rate(files: Path) -> Figure:
    """Return the share of look-ups that the cache answers while the configuration changes.

    A fifth of the keys takes four fifths of the reads; one read in ten asks for ten keys at once;
    each 4,000 reads the configuration changes, and the cache is empty again.
    """
    manager, chance = _manager(files), random.Random(4)
    await manager.load()
    paths = sample.paths()
    chance.shuffle(paths)
    often = paths[: len(paths) // 5]
    for number in range(_READS):
        if number and number % _READS_BETWEEN_CHANGES == 0:
            _swap(files / sample.FILES[-1], number % 60_000)
            await manager.reload(reason="bench", actor="bench")
        among = often if chance.random() < 0.8 else paths
        if chance.random() < 0.1:
            await manager.get_many(chance.sample(among, 10))
        else:
            await manager.get(chance.choice(among))
    name = f"cache hit rate, {_READS:,} mixed reads, a change each {_READS_BETWEEN_CHANGES:,}"
    return Figure(name, "%", manager.cache.hit_rate * 100, "", None, at_least(95))


def _process() -> list[Figure]:
    rounds = [[_seconds(text) for text in (_OURS, BARE)] for _ in range(_ROUNDS)]
    ours, bare = (statistics.median(column) for column in zip(*rounds[1:], strict=True))
    name = "import `Environment` and validate local.yaml, a process"
    return [
        Figure(name, "s", ours, "PyYAML and a bare pydantic model", bare, at_most(0.4)),
        Figure("… ours beyond bare pydantic", "s", ours - bare, "", None, at_most(0.15)),
    ]


def _seconds(text: str) -> float:
    """Return the seconds of a process; ours and bare take turns, so that load hits both."""
    words = [sys.executable, "-c", text]
    return seconds(
        lambda: subprocess.run(words, cwd=CHECKOUT, check=True, capture_output=True), runs=1
    )
