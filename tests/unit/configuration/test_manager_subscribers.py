"""Who is told of a change, and of what."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.configuration.managed import changed, managed, sample_of
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.diff import Change
from hxp_enterprise_llm.configuration.manager import ManagerSettings
from hxp_enterprise_llm.configuration.phases import (
    Outcome,
    ReloadError,
)
from hxp_enterprise_llm.configuration.snapshot import Snapshot
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.schemas.effect import Effect


@pytest.mark.feature("CH-02")
async def test_subscribers_are_told_of_old_and_new_at_the_same_time(source: MemorySource) -> None:
    manager = managed(source)
    told: list[tuple[str, int, int]] = []
    together = asyncio.Barrier(2)

    async def waiting(old: Snapshot[Sample], new: Snapshot[Sample]) -> None:
        await together.wait()
        told.append(("waiting", old.config.level, new.config.level))

    def plain(old: Snapshot[Sample], new: Snapshot[Sample]) -> None:
        told.append(("plain", old.config.level, new.config.level))

    manager.subscribe(waiting)
    manager.subscribe(waiting)
    stop = manager.subscribe(plain)
    await manager.load()
    assert told == []
    await changed(manager, source, level=2)
    assert sorted(told) == [("plain", 1, 2), ("waiting", 1, 2), ("waiting", 1, 2)]
    stop()
    await changed(manager, source, level=3)
    assert [name for name, *_ in told[3:]] == ["waiting", "waiting"]


async def test_a_subscriber_that_fails_or_hangs_hinders_nobody(source: MemorySource) -> None:
    manager = managed(source, settings=ManagerSettings(timeout=0.05))
    told = []

    def failing(old: Snapshot[Sample], new: Snapshot[Sample]) -> None:
        raise ValueError("secret words")

    async def hanging(old: Snapshot[Sample], new: Snapshot[Sample]) -> None:
        await asyncio.Event().wait()

    manager.subscribe(failing)
    manager.subscribe(hanging)
    manager.subscribe(lambda old, new: told.append(new.config.level))
    await manager.load()
    assert await changed(manager, source, level=2) is Outcome.APPLIED
    assert told == [2]
    assert sample_of(
        manager.metrics.expose(),
        'citadel_configuration_subscriber_errors_total{name="configuration"} 2.0',
    )


async def test_a_subscriber_that_raises_a_cancellation_of_its_own_hinders_nobody(
    source: MemorySource,
) -> None:
    def cancelled(old: Snapshot[Sample], new: Snapshot[Sample]) -> None:
        raise asyncio.CancelledError

    manager = managed(source)
    manager.subscribe(cancelled)
    await manager.load()
    assert await changed(manager, source, level=2) is Outcome.APPLIED
    line = 'citadel_configuration_subscriber_errors_total{name="configuration"} 1.0'
    assert sample_of(manager.metrics.expose(), line)


async def test_what_did_not_change_tells_nobody(source: MemorySource) -> None:
    manager = managed(source)
    told = []
    manager.subscribe(lambda old, new: told.append(new))
    before = await manager.load()
    assert await changed(manager, source, level=1, debug=False) is Outcome.UNCHANGED
    assert told == []
    assert manager.snapshot.revision == before.revision
    assert manager.snapshot.config is before.config
    assert ("debug",) in manager.snapshot.origins


@pytest.mark.feature("CH-03")
async def test_changes_are_tracked_with_their_effect(source: MemorySource) -> None:
    manager = managed(source)
    await manager.load()
    source.update({"level": 2, "version": "2"})
    reload = await manager.reload(reason="a test", actor="ann")
    assert reload.changes == (
        Change(("level",), 1, 2, Effect.LIVE),
        Change(("version",), None, "2", Effect.DRAIN),
    )
    assert reload.old is not None
    assert (reload.old.config.level, reload.new.config.level) == (1, 2)


async def test_a_plan_says_what_a_reload_would_do_and_does_nothing(source: MemorySource) -> None:
    manager = managed(source)
    before = await manager.load()
    found = await manager.plan(MemorySource("proposal", {"data": "/srv", "level": 2}))
    assert [(str(change)) for change in found] == [
        'data: "/opt/data" → "/srv" (dangerous)',
        "level: 1 → 2 (live)",
    ]
    assert manager.snapshot is before
    with pytest.raises(ReloadError, match="proposal  level"):
        await manager.plan(MemorySource("proposal", {"level": "x"}))


async def test_what_ends_a_subscription_ends_that_one_once(source: MemorySource) -> None:
    manager = managed(source)
    await manager.load()
    told: list[int] = []

    def hear(_: Snapshot[Sample], new: Snapshot[Sample]) -> None:
        told.append(new.config.level)

    end = manager.subscribe(hear)
    manager.subscribe(hear)
    end()
    end()
    await changed(manager, source, level=2)
    assert told == [2]
