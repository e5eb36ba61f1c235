"""Services build before the swap and commit at it; probes before and after it."""

from __future__ import annotations

import pytest
from tests.unit.configuration.managed import Memory, Part, changed, managed, refused, sample_of
from tests.unit.configuration.sample import Sample, events

from hxp_enterprise_llm.configuration.phases import (
    Outcome,
    Phase,
)
from hxp_enterprise_llm.configuration.snapshot import Snapshot
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.core.exceptions import CitadelError


async def test_a_part_builds_before_the_swap_and_commits_at_it(source: MemorySource) -> None:
    part = Part()
    manager = managed(source, parts=[part])
    await manager.load()
    await changed(manager, source, level=2)
    assert part.calls == ["prepare 1", "commit 1", "prepare 2", "commit 2"]
    assert part.live == manager.snapshot.config


async def test_what_one_part_refuses_no_part_gets(source: MemorySource) -> None:
    first, second, third = Part(), Part(refuses=2), Part()
    manager = managed(source, parts=[first, second])
    detach = manager.attach(third)
    before = await manager.load()
    error = await refused(manager, source, level=2)
    assert (error.phase, manager.snapshot) == (Phase.BUILD, before)
    assert "this port is taken\n  The old configuration serves on. Take another." in str(error)
    assert first.calls[2:] == ["prepare 2", "abandon 2"]
    assert third.calls[2:] == []
    detach()
    await changed(manager, source, level=3)
    assert third.calls == ["prepare 1", "commit 1"]


@pytest.mark.parametrize("answer", [False, CitadelError("no answer from the new engine")])
async def test_a_probe_that_fails_before_the_swap_changes_nothing(
    source: MemorySource, answer: bool | Exception
) -> None:
    async def probe(new: Snapshot[Sample]) -> bool:
        if new.config.level == 2 and isinstance(answer, Exception):
            raise answer
        return new.config.level != 2

    part, told = Part(), []
    manager = managed(source, parts=[part], probe=probe)
    manager.subscribe(lambda old, new: told.append(new))
    before = await manager.load()
    error = await refused(manager, source, level=2)
    assert (error.phase, manager.snapshot, told) == (Phase.PROBE, before, [])
    assert part.calls[2:] == ["prepare 2", "abandon 2"]


@pytest.mark.feature("CH-03")
async def test_a_probe_that_fails_after_the_swap_rolls_back_by_itself(
    source: MemorySource, caplog: pytest.LogCaptureFixture
) -> None:
    async def verify(new: Snapshot[Sample]) -> bool:
        return new.config.level != 2

    part, store, told = Part(), Memory(), []
    manager = managed(source, parts=[part], verify=verify, store=store)
    manager.subscribe(lambda old, new: told.append((old.config.level, new.config.level)))
    before = await manager.load()
    error = await refused(manager, source, level=2)
    assert error.phase is Phase.VERIFY
    assert told == [(1, 2), (2, 1)]
    assert manager.snapshot.revision == before.revision
    assert part.live == before.config
    assert manager.snapshot.number == 3
    assert manager.snapshot.actor == "citadel"
    assert manager.snapshot.reason.startswith("automatic rollback of ")
    assert [item.document["level"] for item in store.revisions] == [1, 2, 1]
    assert not manager.health().ok
    assert "configuration.rolled-back" in [item["event"] for item in events(caplog)]
    assert sample_of(
        manager.metrics.expose(),
        'citadel_configuration_reloads_total{name="configuration",outcome="rolled-back"} 1.0',
    )


async def test_what_was_rolled_back_comes_again_only_when_somebody_asks(
    source: MemorySource,
) -> None:
    bad = {2}

    async def verify(new: Snapshot[Sample]) -> bool:
        return new.config.level not in bad

    manager = managed(source, verify=verify)
    await manager.load()
    await refused(manager, source, level=2)
    bad.clear()
    await manager.noticed("poll")
    assert manager.snapshot.config.level == 1
    assert not manager.health().ok
    await manager.noticed("signal")
    assert manager.snapshot.config.level == 2
    assert manager.health().ok


async def test_a_part_that_breaks_at_the_swap_is_rolled_back(source: MemorySource) -> None:
    whole, broken = Part(), Part(fails_at=2)
    manager = managed(source, parts=[whole, broken])
    before = await manager.load()
    error = await refused(manager, source, level=2)
    assert error.phase is Phase.SWAP
    assert whole.live == broken.live == before.config
    assert manager.snapshot.revision == before.revision


async def test_a_rollback_goes_through_even_where_a_part_cannot_go_back(
    source: MemorySource,
) -> None:
    part = Part()

    async def verify(new: Snapshot[Sample]) -> bool:
        part.refuses = 1
        return new.config.level != 2

    store = Memory()
    manager = managed(source, parts=[part], verify=verify, store=store)
    await manager.load()

    def store_goes_away(old: object, new: object) -> None:
        store.away = True

    manager.subscribe(store_goes_away)
    await refused(manager, source, level=2)
    assert manager.snapshot.config.level == 1


async def test_the_old_is_drained_last_and_a_drain_that_fails_changes_nothing(
    source: MemorySource,
) -> None:
    order: list[str] = []

    async def drain(old: Snapshot[Sample]) -> None:
        order.append(f"drain {old.config.level}")
        raise ValueError

    manager = managed(source, drain=drain)
    manager.subscribe(lambda old, new: order.append(f"told {new.config.level}"))
    await manager.load()
    assert await changed(manager, source, level=2) is Outcome.APPLIED
    assert order == ["told 2", "drain 1"]
