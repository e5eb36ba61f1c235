"""Whoever gives up on a reload leaves a whole configuration in force."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.configuration.managed import Memory, Part, changed, managed
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.phases import (
    NotLoadedError,
    Outcome,
)
from hxp_enterprise_llm.configuration.snapshot import Snapshot
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.core.reload import Prepared


async def test_a_cancelled_reload_leaves_everything_as_it_was(source: MemorySource) -> None:
    began = asyncio.Event()

    async def probe(new: Snapshot[Sample]) -> None:
        if new.config.level == 2:
            began.set()
            await asyncio.Event().wait()

    part = Part()
    manager = managed(source, parts=[part], probe=probe)
    before = await manager.load()
    task = asyncio.create_task(changed(manager, source, level=2))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert manager.snapshot is before
    assert part.calls[2:] == ["prepare 2", "abandon 2"]
    assert await changed(manager, source, level=3) is Outcome.APPLIED


async def test_a_reload_that_is_cancelled_while_it_builds_abandons_what_is_built(
    source: MemorySource,
) -> None:
    class Slow(Part):
        async def prepare(self, config: Sample) -> Prepared[Sample]:
            if config.level == 2:
                began.set()
                await asyncio.Event().wait()
            return await super().prepare(config)

    class Clumsy(Part):
        async def abandon(self, prepared: Prepared[Sample]) -> None:
            await super().abandon(prepared)
            raise ValueError

    began, built, clumsy = asyncio.Event(), Part(), Clumsy()
    manager = managed(source, parts=[built, clumsy, Slow()])
    before = await manager.load()
    task = asyncio.create_task(changed(manager, source, level=2))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert manager.snapshot is before
    assert clumsy.calls[-1] == built.calls[-1] == "abandon 2"


@pytest.mark.parametrize("where", ["tell", "verify"])
async def test_a_reload_that_is_cancelled_after_the_swap_is_rolled_back(
    source: MemorySource, where: str
) -> None:
    reached, store, part = asyncio.Event(), Memory(), Part()

    async def hang(place: str, new: Snapshot[Sample]) -> None:
        if place == where and new.config.level == 2:
            reached.set()
            await asyncio.Event().wait()

    manager = managed(source, parts=[part], store=store, verify=lambda new: hang("verify", new))
    manager.subscribe(lambda old, new: hang("tell", new))
    await manager.load()
    source.update({"level": 2})
    task = asyncio.create_task(manager.reload(reason="a test", actor="ann"))
    await reached.wait()
    assert manager.snapshot.config.level == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert manager.snapshot.config.level == 1
    assert part.live is manager.snapshot.config
    assert [item.document["level"] for item in store.revisions] == [1, 2, 1]


async def test_a_rollback_that_is_cancelled_goes_on_to_its_end(source: MemorySource) -> None:
    store, going_back = Memory(), asyncio.Event()

    async def verify(new: Snapshot[Sample]) -> bool:
        return new.config.level != 2

    async def slow(old: Snapshot[Sample], new: Snapshot[Sample]) -> None:
        if new.config.level == 1:
            going_back.set()
            await asyncio.sleep(0)

    manager = managed(source, store=store, verify=verify)
    manager.subscribe(slow)
    await manager.load()
    source.update({"level": 2})
    task = asyncio.create_task(manager.reload(reason="a test", actor="ann"))
    await going_back.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [item.document["level"] for item in store.revisions] == [1, 2, 1]


async def test_a_first_load_that_is_cancelled_in_its_probe_serves_nothing(
    source: MemorySource,
) -> None:
    reached = asyncio.Event()

    async def verify(new: Snapshot[Sample]) -> None:
        reached.set()
        await asyncio.Event().wait()

    manager = managed(source, verify=verify)
    task = asyncio.create_task(manager.load())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not manager.health().ok
    with pytest.raises(NotLoadedError):
        _ = manager.snapshot
