"""Where environments differ that should be alike, and what they repeat."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, dotted
from hxp_enterprise_llm.configuration.diff import ABSENT, between
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
from hxp_enterprise_llm.configuration.merge import value_at
from hxp_enterprise_llm.configuration.report.form import Item, Level, Section
from hxp_enterprise_llm.configuration.report.keys import written
from hxp_enterprise_llm.configuration.snapshot import document_of
from hxp_enterprise_llm.schemas.environment import Environment

OWN = frozenset({"provider", "state", "hosts", "waivers"})
"""Sections that belong to one environment: addresses, sizes, exceptions."""
_WEIGHTS = frozenset({"source", "revision", "sha256"})


def drift(
    loaded: LoadedEnvironment, others: Sequence[LoadedEnvironment], broken: Sequence[str] = ()
) -> Section:
    """Return what differs from other environments.

    Args:
        loaded: The environment.
        others: Those that it is compared with.
        broken: Names of those that have errors.
    """
    differing = _differing(loaded, others)
    names = [other.name for other in others]
    rows = [
        (dotted(path), _shown(here), *(_shown(there.get(name, here)) for name in names))
        for path, (here, there) in differing.items()
    ]
    items = [*_weights(loaded, differing), *_repeated(loaded, others)]
    items += [
        Item(Level.ADVICE, "", f"{name} has errors and is not compared.", f"Run: {_VALIDATE}{name}")
        for name in broken
    ]
    note = f"sections that belong to one environment are left out: {', '.join(sorted(OWN))}"
    if not others:
        note = "there is no other environment"
    return Section(
        "drift",
        "Drift between environments",
        tuple(items),
        ("key", loaded.name, *names),
        tuple(rows),
        note,
    )


_VALIDATE = "citadel config validate "
_Differing = dict[KeyPath, tuple[Any, dict[str, Any]]]


def _differing(loaded: LoadedEnvironment, others: Sequence[LoadedEnvironment]) -> _Differing:
    """Return key → its value here, and other environment → its value there."""
    own = document_of(loaded.environment)
    found: dict[KeyPath, tuple[Any, dict[str, Any]]] = {}
    for other in others:
        for change in between(document_of(other.environment), own, Environment):
            if change.path[0] not in OWN:
                found.setdefault(change.path, (change.new, {}))[1][other.name] = change.old
    return found


def _weights(loaded: LoadedEnvironment, differing: _Differing) -> Iterator[Item]:
    for path, (here, there) in differing.items():
        if path[0] == "models" and path[-1] in _WEIGHTS and here is not ABSENT:
            names = ", ".join(sorted(there))
            message = f"{names} serves other weights under this name than {loaded.name}."
            fix = "Bring them to the same weights, or give the model another name."
            yield Item(Level.RISK, dotted(path), message, fix)


def _repeated(loaded: LoadedEnvironment, others: Sequence[LoadedEnvironment]) -> Iterator[Item]:
    """Yield keys that environments write alike, each in its own file."""
    alike: dict[KeyPath, list[str]] = defaultdict(list)
    for path, value in written(loaded):
        for other in others:
            place = other.origins.get(path)
            mine = loaded.origins[path].place
            if place is None or place.place.file == mine.file or path[0] in OWN | {"schema"}:
                continue
            if value_at(other.draft.data, path) == value:
                alike[path].append(other.name)
    for path, names in alike.items():
        message = f"{', '.join(names)} and {loaded.name} write the same value."
        fix = "Write it once, in a file that they extend."
        yield Item(Level.ADVICE, dotted(path), message, fix, str(loaded.origins[path].place))


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "–"
    if isinstance(value, dict):
        return "there" if value else "{}"
    return json.dumps(value, ensure_ascii=False)
