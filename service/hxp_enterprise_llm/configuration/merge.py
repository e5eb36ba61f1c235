"""How one source goes over another (docs/concepts/configuration.md has the rules)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, Place


class Written(Protocol):
    """Plain data, and where each of its keys was written: a document, a layer."""

    @property
    def data(self) -> dict[str, Any]:
        """Return nested maps."""

    @property
    def places(self) -> dict[KeyPath, Place]:
        """Return the place of each key."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a key's value comes from, and what it replaced, nearest first."""

    place: Place
    overrode: tuple[tuple[Place, Any], ...] = field(default=(), repr=False)


Origins = dict[KeyPath, Origin]


def merge(base: Any, over: Any) -> Any:
    """Return `over` laid over `base`: maps merge deep, all else replaces; neither is changed.

    Example:
        >>> merge({"a": {"b": 1, "c": [1, 2]}}, {"a": {"c": [3]}})
        {'a': {'b': 1, 'c': [3]}}
    """
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    merged = dict(base)
    for key, value in over.items():
        merged[key] = merge(base[key], value) if key in base else value
    return merged


def value_at(data: Any, path: KeyPath) -> Any:
    """Return the value under a path.

    Raises:
        KeyError: There is none.

    Example:
        >>> value_at({"hosts": [{"name": "llm-1"}]}, ("hosts", 0, "name"))
        'llm-1'
    """
    for part in path:
        if part not in (data if isinstance(data, dict) else range(_length(data))):
            raise KeyError(part)
        data = data[part]
    return data


def _length(data: Any) -> int:
    return len(data) if isinstance(data, list) else 0


def merge_origins(base: Origins, data: Any, over: Written) -> Origins:
    """Return the origins after `over` went over `data`, whose origins are `base`."""
    replaced = {path for path in over.places if _replaces(data, over, path)}
    origins = {
        path: origin
        for path, origin in base.items()
        if not any(path[:length] in replaced for length in range(1, len(path) + 1))
    }
    for path, place in over.places.items():
        before = base.get(path)
        if before is not None and path in replaced:
            history = ((before.place, value_at(data, path)), *before.overrode)
            origins[path] = Origin(place, history)
        else:
            origins[path] = Origin(place)
    return origins


def _replaces(data: Any, over: Written, path: KeyPath) -> bool:
    try:
        below = value_at(data, path)
    except KeyError:
        return False
    return not (isinstance(below, dict) and isinstance(value_at(over.data, path), dict))


def pruned(
    data: dict[str, Any], removed: Collection[KeyPath], at: KeyPath = ()
) -> Iterator[tuple[str, Any]]:
    """Yield the items of a map without the removed paths; maps below are copies."""
    for key, value in data.items():
        path = (*at, key)
        if path in removed:
            continue
        yield key, _pruned(value, removed, path)


def _pruned(value: Any, removed: Collection[KeyPath], path: KeyPath) -> Any:
    if isinstance(value, dict):
        return dict(pruned(value, removed, path))
    if isinstance(value, list):
        return [item for index, item in enumerate(value) if (*path, index) not in removed]
    return value
