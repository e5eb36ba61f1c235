"""Where a value comes from: file and line, default or another key; what it means, and its unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, dotted
from hxp_enterprise_llm.configuration.fields import field_at, is_secret, unit_of
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
from hxp_enterprise_llm.configuration.messages import suggest
from hxp_enterprise_llm.configuration.resolved import derivations, resolved
from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.schemas.environment import Environment


@dataclass(frozen=True, slots=True)
class Explanation:
    """One key: its value, its source, and what that source replaced, nearest first."""

    path: str
    value: Any
    source: str
    description: str = ""
    unit: str = ""
    overrode: list[dict[str, Any]] = field(default_factory=list)


def explain(loaded: LoadedEnvironment, wanted: str) -> list[Explanation]:
    """Return the explanation of a key, or of every value below a section.

    Args:
        loaded: The environment.
        wanted: Keys joined by dots, such as `hosts.llm-1.memory`; all of it when empty.

    Raises:
        CitadelError: There is no such key.
    """
    document = resolved(loaded.name, loaded.environment)
    path, value = find(document, wanted)
    sources = derivations(loaded.name, loaded.environment)
    return [_explanation(loaded, leaf, shown, sources) for leaf, shown in _leaves(path, value)]


def find(document: Any, wanted: str) -> tuple[KeyPath, Any]:
    """Return the path and the value of a dotted name; keys may hold dots themselves.

    Raises:
        CitadelError: There is no such key; names the nearest.
    """
    path: KeyPath = ()
    rest = wanted
    while rest:
        part, rest = _step(document, rest, path)
        path = (*path, part)
        document = document[part]
    return path, document


def _step(document: Any, rest: str, path: KeyPath) -> tuple[str | int, str]:
    if isinstance(document, list) and rest.partition(".")[0].isdecimal():
        index, _, after = rest.partition(".")
        if int(index) < len(document):
            return int(index), after
    keys = list(document) if isinstance(document, dict) else []
    for key in sorted(keys, key=len, reverse=True):
        if rest == key or rest.startswith(f"{key}."):
            return key, rest[len(key) + 1 :]
    hint = suggest(rest.partition(".")[0], keys) or f"Known here: {', '.join(keys) or 'nothing'}."
    raise CitadelError(f"there is no key {dotted((*path, rest))}", next_step=hint)


def _leaves(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _leaves((*path, key), below)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, below in enumerate(value):
            yield from _leaves((*path, index), below)
    else:
        yield path, value


def _explanation(loaded: LoadedEnvironment, path: KeyPath, value: Any, sources: Any) -> Explanation:
    origin = loaded.origins.get(path)
    described = field_at(Environment, path, loaded.draft.data)
    if described is None:
        described = field_at(Environment, path[:-1], loaded.draft.data)
    if origin is not None:
        source = str(origin.place)
    else:
        source = f"derived from {sources[path].source}" if path in sources else "default"
    # What a reference replaced may be a secret that somebody wrote by mistake.
    secret = described is not None and is_secret(described)
    return Explanation(
        path=dotted(path),
        value=value,
        source=source,
        description=(described.description or "") if described is not None else "",
        unit=unit_of(str(path[-1]), described) if path and described is not None else "",
        overrode=[
            {"value": "(hidden)" if secret else before, "source": str(place)}
            for place, before in (origin.overrode if origin is not None else ())
        ],
    )
