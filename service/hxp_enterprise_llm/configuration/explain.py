"""Where a value comes from: file and line, default or another key; what it means, and its unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, dotted, shown
from hxp_enterprise_llm.configuration.fields import field_at, holds_secrets, unit_of
from hxp_enterprise_llm.configuration.merge import Origin
from hxp_enterprise_llm.configuration.messages import suggest
from hxp_enterprise_llm.core.exceptions import CitadelError, FaultDomain

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.loader import LoadedEnvironment


class UnknownKeyError(CitadelError):
    """A document has no such key."""

    code = "configuration.unknown-key"
    domain = FaultDomain.INPUT


@dataclass(frozen=True, slots=True)
class Explanation:
    """One key: its value, its source, and what that source replaced, nearest first.

    Attributes:
        path: Keys joined by dots.
        value: What counts.
        source: `file:line`, a variable, a flag, a row; `default`; `derived from …`.
        description: What the key means.
        unit: Of the value.
        file: The file that wrote it; None for what no file wrote.
        line: The line in that file.
        revision: Of the source, such as the hash of the file.
        actor: Who wrote it, as far as the source knows.
        overrode: The values that it replaced, each with its source.
    """

    path: str
    value: Any
    source: str
    description: str = ""
    unit: str = ""
    file: str | None = None
    line: int | None = None
    revision: str = ""
    actor: str = ""
    overrode: list[dict[str, Any]] = field(default_factory=list)


def explain(loaded: LoadedEnvironment, wanted: str) -> list[Explanation]:
    """Return the explanation of a key of an environment, or of every value below a section.

    Args:
        loaded: The environment.
        wanted: Keys joined by dots, such as `hosts.llm-1.memory`; all of it when empty.

    Raises:
        UnknownKeyError: There is no such key.
    """
    from hxp_enterprise_llm.configuration.resolved import derivations, resolved

    environment = loaded.environment
    sources = derivations(loaded.name, environment)
    derived = {path: f"derived from {item.source}" for path, item in sources.items()}
    document = resolved(loaded.name, environment)
    return explanations(document, loaded.origins, type(environment), wanted, derived)


def explanations(
    document: dict[str, Any],
    origins: Mapping[KeyPath, Origin],
    model: type[BaseModel],
    wanted: str = "",
    derived: Mapping[KeyPath, str] | None = None,
) -> list[Explanation]:
    """Return the explanation of a key of any document, or of every value below a section.

    Args:
        document: The document as it counts.
        origins: Where its keys were written.
        model: The model of the document.
        wanted: Keys joined by dots; all of it when empty.
        derived: What keys that nobody wrote come from; the others are defaults.

    Raises:
        UnknownKeyError: There is no such key.
    """
    path, value = find(document, wanted)
    found = []
    for leaf, shown_value in _leaves(path, value):
        source = (derived or {}).get(leaf, "default")
        found.append(_explanation(document, origins.get(leaf), model, leaf, shown_value, source))
    return found


def find(document: Any, wanted: str) -> tuple[KeyPath, Any]:
    """Return the path and the value of a dotted name; keys may hold dots themselves.

    Raises:
        UnknownKeyError: There is no such key; names the nearest.
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
    raise UnknownKeyError(f"there is no key {dotted((*path, rest))}", next_step=hint)


def _leaves(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _leaves((*path, key), below)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, below in enumerate(value):
            yield from _leaves((*path, index), below)
    else:
        yield path, value


def _explanation(
    document: dict[str, Any],
    origin: Origin | None,
    model: type[BaseModel],
    path: KeyPath,
    value: Any,
    source: str,
) -> Explanation:
    described = field_at(model, path, document) or field_at(model, path[:-1], document)
    # What a reference replaced may be a secret that somebody wrote by mistake.
    secret = described is not None and holds_secrets(described)
    place = origin.place if origin is not None else None
    in_file = place is not None and not place.label
    return Explanation(
        path=dotted(path),
        value=value,
        source=source if place is None else str(place),
        description=(described.description or "") if described is not None else "",
        unit=unit_of(str(path[-1]), described) if path and described is not None else "",
        file=shown(place.file) if place is not None and in_file else None,
        line=place.line if place is not None and in_file else None,
        revision=place.revision if place is not None else "",
        actor=place.actor if place is not None else "",
        overrode=[
            {"value": "(hidden)" if secret else before, "source": str(place)}
            for place, before in (origin.overrode if origin is not None else ())
        ],
    )
