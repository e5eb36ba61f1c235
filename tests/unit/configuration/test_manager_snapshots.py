"""Readers see one whole configuration, which never changes."""

from __future__ import annotations

import time
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError
from tests.unit.configuration.managed import NOW, changed, managed, sample_of
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.phases import (
    NotLoadedError,
    ReloadError,
)
from hxp_enterprise_llm.configuration.snapshot import revision_of
from hxp_enterprise_llm.configuration.sources.base import Layer
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.core.exceptions import CitadelError


@pytest.mark.feature("CL-05")
async def test_nothing_is_read_before_it_is_used(source: MemorySource) -> None:
    reads = []

    class Counting(MemorySource):
        async def read(self) -> Layer:
            reads.append(1)
            return await super().read()

    manager = ConfigurationManager(Sample, [Counting("lazy", {"level": 4})])
    assert reads == []
    with pytest.raises(NotLoadedError, match=r"not loaded yet\n  Await load"):
        _ = manager.snapshot
    assert not hasattr(manager, "snapshot")
    assert not hasattr(manager, "anything")
    assert await manager.get("level") == 4
    await manager.load()
    await manager.load()
    assert reads == [1]


async def test_a_snapshot_says_what_who_when_and_why(source: MemorySource) -> None:
    manager = managed(source)
    await manager.load()
    source.update({"level": 2})
    await manager.reload(reason="more work", actor="ann", approver="bob")
    snapshot = manager.snapshot
    assert snapshot.config.level == 2
    assert (snapshot.actor, snapshot.reason, snapshot.approver) == ("ann", "more work", "bob")
    assert (snapshot.number, snapshot.made_at) == (2, NOW)
    assert snapshot.revision == revision_of(snapshot.document)
    assert len(snapshot.revision) == 64


async def test_a_snapshot_cannot_be_changed(source: MemorySource) -> None:
    snapshot = await managed(source).load()
    with pytest.raises(FrozenInstanceError):
        snapshot.number = 5  # type: ignore[misc]
    with pytest.raises(ValidationError):
        snapshot.config.level = 5
    with pytest.raises(TypeError):
        snapshot.origins[("level",)] = None  # type: ignore[index]
    snapshot.document["level"] = 5
    assert snapshot.document["level"] == 1


async def test_equal_configurations_have_equal_revisions() -> None:
    one = await managed(MemorySource("a", {"level": 2, "debug": True})).load()
    other = await managed(MemorySource("b", {"debug": True, "level": 2, "version": None})).load()
    assert one.revision == other.revision


async def test_work_keeps_the_snapshot_that_it_began_with(source: MemorySource) -> None:
    manager = managed(source)
    began_with = await manager.load()
    await changed(manager, source, level=2)
    assert (began_with.config.level, manager.snapshot.config.level) == (1, 2)


async def test_reading_a_snapshot_costs_one_attribute(source: MemorySource) -> None:
    manager = managed(source)
    await manager.load()
    assert "snapshot" in vars(manager)


@pytest.mark.feature("CL-05", "UT-04")
async def test_many_values_are_read_at_once_from_one_snapshot(source: MemorySource) -> None:
    source.update({"level": 3, "hosts": {"qwen2.5": {"memory": "1GiB"}}})
    manager = managed(source)
    assert await manager.get_many(["level", "hosts.qwen2.5.memory", "store"]) == {
        "level": 3,
        "hosts.qwen2.5.memory": 2**30,
        "store": {"port": 5433, "password": "generated:store"},
    }
    with pytest.raises(CitadelError, match=r"no key lvel\n  Did you mean level\?"):
        await manager.get_many(["level", "lvel"])


@pytest.mark.feature("CL-04", "UT-04")
async def test_looked_up_values_are_cached_until_the_next_snapshot(source: MemorySource) -> None:
    manager = managed(source)
    for _ in range(100):
        await manager.get("level")
    assert manager.cache.hit_rate == 0.99
    assert sample_of(
        manager.metrics.expose(),
        'citadel_configuration_cache_hit_rate{name="configuration"} 0.99',
    )
    await changed(manager, source, level=2)
    assert await manager.get("level") == 2


async def test_what_a_caller_does_to_a_looked_up_value_nobody_else_sees(
    source: MemorySource,
) -> None:
    manager = managed(source)
    (await manager.get("store"))["port"] = 1
    first = await manager.get_many(["store"])
    assert first["store"]["port"] == 5433
    first["store"]["port"] = 1
    assert (await manager.get("store"))["port"] == 5433


def test_a_model_that_could_be_changed_is_refused_at_once() -> None:
    class Loose(BaseModel):
        level: int = 1

    with pytest.raises(TypeError, match="Loose is not frozen"):
        ConfigurationManager(Loose, [])


async def test_judges_see_the_model_and_their_warnings_stay(tmp_path: Path) -> None:
    from functools import partial

    from hxp_enterprise_llm.configuration.loader import judge
    from hxp_enterprise_llm.configuration.sources.files import FileSource
    from hxp_enterprise_llm.orchestration.paths import checkout
    from hxp_enterprise_llm.schemas.environment import Environment

    file = checkout() / "stacks" / "environments" / "local.yaml"
    flags = MemorySource("flags", {})
    manager = ConfigurationManager(
        Environment, [FileSource(file), flags], judge=partial(judge, name="local")
    )
    began = time.perf_counter()
    snapshot = await manager.load()
    assert time.perf_counter() - began < 1.0
    flags.update({"infrastructure_services": {"api_gateway": {"port": 9100}}})
    with pytest.raises(ReloadError, match="error C301"):
        await manager.reload(reason="r", actor="ann", approver="bob")
    assert manager.snapshot is snapshot
    flags.update({"infrastructure_services": {"api_gateway": {"rate_limit_rps": 5}}})
    await manager.reload(reason="r", actor="ann")
    assert "C390" in {item.code for item in manager.snapshot.warnings}
    again = ConfigurationManager(Environment, [MemorySource("stored", snapshot.document)])
    assert (await again.load()).revision == snapshot.revision


async def test_the_wall_clock_may_jump(source: MemorySource) -> None:
    times = [datetime(2026, 1, 1, tzinfo=UTC), datetime(1999, 1, 1, tzinfo=UTC), NOW]
    manager = ConfigurationManager(Sample, [source], now=lambda: times[0])
    for number in range(3):
        times.append(times.pop(0)) if number else None
        await changed(manager, source, level=number)
        assert (manager.snapshot.number, manager.snapshot.config.level) == (number + 1, number)
    assert manager.health().ok
