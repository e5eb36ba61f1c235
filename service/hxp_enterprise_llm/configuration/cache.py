"""A bounded cache whose entries live for a time; counts how often it answers."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """What a cache did since it was made."""

    hits: int
    misses: int
    evictions: int

    @property
    def hit_rate(self) -> float:
        """Return the share of look-ups that the cache answered, 0 to 1; 0 before the first."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


class TtlCache(Generic[KeyT, ValueT]):
    """Values by their keys, each for `ttl` seconds; the longest unused goes when it is full.

    For one event loop or one thread.

    Args:
        ttl: Seconds that an entry lives.
        entries: How many there may be.
        clock: Seconds that never jump.
    """

    def __init__(
        self, ttl: float = 60.0, entries: int = 4096, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl, self._entries, self._clock = ttl, entries, clock
        self._values: OrderedDict[KeyT, tuple[float, ValueT]] = OrderedDict()
        self._hits = self._misses = self._evictions = 0

    @property
    def counts(self) -> CacheCounts:
        """Return hits, misses and evictions."""
        return CacheCounts(self._hits, self._misses, self._evictions)

    def get_many(
        self,
        keys: Iterable[KeyT],
        make: Callable[[tuple[KeyT, ...]], Mapping[KeyT, ValueT]],
    ) -> dict[KeyT, ValueT]:
        """Return values by their keys; `make` is called once, for all that are missing."""
        found, missing = self._split(keys)
        if missing:
            self._store(made := make(missing))
            found.update(made)
        return found

    def clear(self) -> None:
        """Forget every value; the counts stay."""
        self._values.clear()

    def _split(self, keys: Iterable[KeyT]) -> tuple[dict[KeyT, ValueT], tuple[KeyT, ...]]:
        now = self._clock()
        found: dict[KeyT, ValueT] = {}
        missing: list[KeyT] = []
        for key in dict.fromkeys(keys):
            entry = self._values.get(key)
            if entry is None or now - entry[0] >= self._ttl:
                missing.append(key)
                continue
            self._values.move_to_end(key)
            found[key] = entry[1]
        self._hits += len(found)
        self._misses += len(missing)
        return found, tuple(missing)

    def _store(self, made: Mapping[KeyT, ValueT]) -> None:
        now = self._clock()
        for key, value in made.items():
            self._values[key] = (now, value)
            self._values.move_to_end(key)
        while len(self._values) > self._entries:
            self._values.popitem(last=False)
            self._evictions += 1
