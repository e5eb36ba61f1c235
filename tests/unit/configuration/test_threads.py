"""A source that hangs in a thread: it holds up its manager, and says so, and nobody else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.manager import ConfigurationManager, ManagerSettings
from hxp_enterprise_llm.configuration.phases import Phase
from hxp_enterprise_llm.configuration.sources.base import Layer
from hxp_enterprise_llm.configuration.sources.files import FileSource
from hxp_enterprise_llm.configuration.threads import Threads, in_thread
from hxp_enterprise_llm.testing.waiting import until


class Mount(FileSource):
    """A file of a mount that may hang."""

    free = threading.Event()

    def read_now(self) -> Layer:
        self.free.wait()
        return super().read_now()


@contextmanager
def hanging() -> Iterator[None]:
    Mount.free.clear()
    try:
        yield
    finally:
        Mount.free.set()


async def test_a_mount_that_hangs_takes_a_few_threads_and_none_of_others(tmp_path: Path) -> None:
    file = tmp_path / "sample.yaml"
    await asyncio.to_thread(file.write_text, "level: 1\n")
    Mount.free.set()
    manager = ConfigurationManager(Sample, [Mount(file)], settings=ManagerSettings(timeout=0.3))
    await manager.load()
    before = threading.active_count()
    with hanging():
        for _ in range(8):
            await manager.noticed("poll")
        assert threading.active_count() - before <= 4
        began = time.monotonic()
        await asyncio.to_thread(time.monotonic)
        assert time.monotonic() - began < 1.0
        failure = manager.health().failure
        assert failure is not None
        assert failure.phase is Phase.READ
        assert "did not answer within 0.3 s" in failure.message
        # What serves can still be exchanged by hand.
        await manager.restore({"level": 7}, label="revision 7", reason="back", actor="ann")
        assert manager.snapshot.config.level == 7

    async def back() -> bool:
        await manager.noticed("signal")
        return manager.snapshot.config.level == 1

    await until(back)


async def test_a_call_outside_a_manager_takes_a_thread_of_the_event_loop() -> None:
    async def name() -> str:
        return await in_thread(lambda: threading.current_thread().name)

    threads = Threads("own")
    with threads.used():
        assert (await name()).startswith("own")
    assert (await name()).startswith("asyncio")


@pytest.mark.parametrize("argument", [1, 2])
async def test_a_call_takes_its_arguments_with_it(argument: int) -> None:
    assert await Threads("own").run(divmod, 7, argument) == divmod(7, argument)
