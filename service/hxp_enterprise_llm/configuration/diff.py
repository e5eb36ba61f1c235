"""What differs between two configurations, and what each difference does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, dotted
from hxp_enterprise_llm.configuration.effects import Effect, effect_of, worst
from hxp_enterprise_llm.configuration.fields import secret_at
from hxp_enterprise_llm.configuration.snapshot import document_of


class Absent(Enum):
    """The value of a key that is not there: null is a value of its own."""

    ABSENT = "(absent)"

    def __str__(self) -> str:
        return self.value


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Change:
    """One key that differs.

    Attributes:
        path: Keys from the top; a map's entry that came or went is one change.
        old: Value before; ABSENT for a key that is new.
        new: Value after; ABSENT for a key that is gone.
        effect: What taking it does.
        secret: Whether the values are references to secrets.
    """

    path: KeyPath
    old: Any
    new: Any
    effect: Effect
    secret: bool = False

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {_shown(self.old)} → {_shown(self.new)} ({self.effect})"

    def as_data(self) -> dict[str, Any]:
        """Return plain data; a key that was or is not there has no `old` or `new`."""
        values = {"old": self.old, "new": self.new}
        return {
            "path": dotted(self.path),
            **{name: value for name, value in values.items() if value is not ABSENT},
            "effect": self.effect.value,
            "secret": self.secret,
        }


def changes(old: BaseModel, new: BaseModel) -> tuple[Change, ...]:
    """Return what differs between two configurations of one model, in the order of its keys."""
    return between(document_of(old), document_of(new), type(new))


def between(
    old: Mapping[str, Any], new: Mapping[str, Any], model: type[BaseModel]
) -> tuple[Change, ...]:
    """Return what differs between two documents of one model: `document_of`, revisions."""
    return tuple(
        Change(path, before, after, _effect(model, path, old, new), secret_at(model, path, new))
        for path, before, after in _pairs(old, new, ())
    )


def gravest(found: tuple[Change, ...]) -> Effect | None:
    """Return the gravest effect of some changes; None of none."""
    return worst(change.effect for change in found)


def _pairs(old: Any, new: Any, at: KeyPath) -> Iterator[tuple[KeyPath, Any, Any]]:
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        if old != new:
            yield at, old, new
        return
    for key in dict.fromkeys((*old, *new)):
        before, after = old.get(key, ABSENT), new.get(key, ABSENT)
        yield from _pairs(before, after, (*at, key))


def _effect(
    model: type[BaseModel], path: KeyPath, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Effect:
    """Return the graver effect of the two documents: a `kind` may pick another model."""
    return worst(iter((effect_of(model, path, old), effect_of(model, path, new)))) or Effect.RESTART


def _shown(value: Any) -> str:
    import json

    if value is ABSENT:
        return str(value)
    return json.dumps(value, ensure_ascii=False)
