"""The cache answers while an entry lives, asks once for what it lacks, and stays small."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from typing import TypeVar

import pytest

from hxp_enterprise_llm.configuration.cache import CacheCounts, TtlCache
from hxp_enterprise_llm.testing.clock import Clock

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


def one(cache: TtlCache[KeyT, ValueT], key: KeyT, make: Callable[[KeyT], ValueT]) -> ValueT:
    """Return one value of a cache."""
    return cache.get_many((key,), lambda keys: {key: make(key) for key in keys})[key]


@pytest.mark.feature("CL-04")
def test_an_entry_lives_for_its_ttl() -> None:
    clock = Clock()
    cache: TtlCache[str, float] = TtlCache(30.0, clock=clock)
    assert one(cache, "a", lambda _: clock.now) == 1000.0
    clock.now += 29.9
    assert one(cache, "a", lambda _: clock.now) == 1000.0
    clock.now += 0.1
    assert one(cache, "a", lambda _: clock.now) == 1030.0
    assert cache.counts == CacheCounts(hits=1, misses=2, evictions=0)


def test_all_that_is_missing_is_asked_for_at_once() -> None:
    cache: TtlCache[str, str] = TtlCache()
    asked: list[tuple[str, ...]] = []

    def make(keys: tuple[str, ...]) -> dict[str, str]:
        asked.append(keys)
        return {key: key.upper() for key in keys}

    assert cache.get_many(["a", "b"], make) == {"a": "A", "b": "B"}
    assert cache.get_many(["b", "c", "a", "c"], make) == {"b": "B", "a": "A", "c": "C"}
    assert asked == [("a", "b"), ("c",)]


@pytest.mark.feature("CL-07")
def test_the_longest_unused_goes_when_it_is_full() -> None:
    cache: TtlCache[int, int] = TtlCache(entries=3)
    for key in (1, 2, 3, 1, 4):
        one(cache, key, lambda key: key)
    before = cache.counts
    for key in (1, 3, 4):
        one(cache, key, lambda key: -key)
    assert cache.counts.hits == before.hits + 3
    assert one(cache, 2, lambda key: -key) == -2
    assert cache.counts.evictions == 2


def test_a_maker_that_fails_leaves_nothing_behind() -> None:
    cache: TtlCache[str, str] = TtlCache()

    def fail(_: str) -> str:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        one(cache, "a", fail)
    assert one(cache, "a", str.upper) == "A"


def test_clearing_forgets_values_and_keeps_counts() -> None:
    cache: TtlCache[str, str] = TtlCache()
    assert cache.counts.hit_rate == 0.0
    one(cache, "a", str.upper)
    cache.clear()
    assert one(cache, "a", str.lower) == "a"
    assert (cache.counts.hits, cache.counts.misses) == (0, 2)


@pytest.mark.feature("CL-04")
def test_mixed_reads_are_answered_by_the_cache_more_than_80_of_100_times() -> None:
    luck = random.Random(7)
    clock = Clock()
    cache: TtlCache[int, int] = TtlCache(60.0, 150, clock=clock)
    # 200 keys, a few read most, as Zipf says; ten reads a second for an hour.
    weights = [1 / (rank + 1) for rank in range(200)]
    for key in luck.choices(range(200), weights, k=36_000):
        clock.now += 0.1
        one(cache, key, lambda key: key)
    assert cache.counts.hit_rate > 0.8
