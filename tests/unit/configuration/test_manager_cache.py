"""Looked-up values are kept in memory for a configured time; how often that helps is seen."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from tests.unit.configuration.managed import changed, managed
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.manager import ConfigurationManager, ManagerSettings
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.testing.clock import Clock

KEYS = 200


def hit_rate(manager: ConfigurationManager[Any]) -> float:
    """Return what the metric says."""
    name = 'citadel_configuration_cache_hit_rate{name="configuration"}'
    (line,) = [
        line for line in manager.metrics.expose().decode().splitlines() if line.startswith(name)
    ]
    return float(line.removeprefix(name))


@pytest.mark.feature("CL-04")
@pytest.mark.parametrize("ttl", [5.0, 60.0])
async def test_a_looked_up_value_is_kept_as_long_as_the_settings_say(
    source: MemorySource, ttl: float
) -> None:
    clock = Clock()
    manager = managed(source, settings=ManagerSettings(cache_ttl=ttl), clock=clock)
    assert ManagerSettings().cache_ttl == 60.0
    await manager.get("level")
    clock.now += ttl - 0.1
    await manager.get("level")
    assert (manager.cache.hits, manager.cache.misses) == (1, 1)
    clock.now += 0.1
    await manager.get("level")
    assert (manager.cache.hits, manager.cache.misses) == (1, 2)


@pytest.mark.feature("CL-04", "CL-07")
async def test_no_more_values_are_kept_than_the_settings_say(source: MemorySource) -> None:
    manager = managed(source, settings=ManagerSettings(cache_entries=2))
    for path in ("level", "debug", "data", "level"):
        await manager.get(path)
    assert (manager.cache.misses, manager.cache.evictions) == (4, 2)


@pytest.mark.feature("CL-04")
async def test_more_than_80_percent_of_mixed_reads_are_hits_and_a_metric_says_so(
    source: MemorySource,
) -> None:
    """200 keys, some read far more often than others, singly and in batches, between reloads."""
    chance, clock = random.Random(7), Clock()
    engine = {f"key-{number}": number for number in range(KEYS)}
    source.update({"level": 1, "engine": engine})
    manager = managed(source, clock=clock)
    paths = [f"engine.{name}" for name in engine]
    weights = [1 / (rank + 1) for rank in range(KEYS)]
    assert hit_rate(manager) == 0.0
    for turn in range(1, 8001):
        asked = chance.choices(paths, weights, k=chance.choice((1, 1, 1, 5)))
        found = await manager.get_many(asked)
        assert found == {path: engine[path.removeprefix("engine.")] for path in asked}
        clock.now += 0.05
        if turn % 2000 == 0:
            assert await changed(manager, source, level=turn, engine=engine)
    assert manager.cache.hit_rate > 0.8
    assert hit_rate(manager) == pytest.approx(manager.cache.hit_rate)


@pytest.mark.feature("CL-04")
async def test_a_hit_reads_no_document(source: MemorySource) -> None:
    engine = {f"key-{number}": number for number in range(5000)}
    source.update({"engine": engine})
    manager: ConfigurationManager[Sample] = managed(source)
    await manager.load()
    began = time.perf_counter()
    await manager.get("engine.key-1")
    missed = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(10):
        await manager.get("engine.key-1")
    assert (time.perf_counter() - began) / 10 < missed
