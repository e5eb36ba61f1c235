"""What the history of revisions shows: what changes, how often, by whom."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, counted, dotted
from hxp_enterprise_llm.configuration.diff import ABSENT, Change, between, gravest
from hxp_enterprise_llm.configuration.report.form import Item, Level, Section
from hxp_enterprise_llm.configuration.revisions.base import Revision
from hxp_enterprise_llm.schemas.environment import Environment

_SHOWN = 10
_DAY = timedelta(days=1)


def trends(revisions: Sequence[Revision]) -> Section:
    """Return what changed over the revisions.

    Args:
        revisions: The oldest first.
    """
    if not revisions:
        return Section("trends", _TITLE, note="nothing was applied yet")
    documents = [revision.document for revision in revisions]
    steps = [between(old, new, Environment) for old, new in pairwise(documents)]
    rows = [_row(revision, found) for revision, found in zip(revisions, ((), *steps), strict=True)]
    return Section(
        "trends",
        _TITLE,
        tuple(_moving(steps)),
        ("revision", "applied (UTC)", "by", "changes", "gravest", "why"),
        tuple(reversed(rows)),
        _pace(revisions),
    )


_TITLE = "Trends over revisions"


def _row(revision: Revision, found: Sequence[Change]) -> tuple[str, ...]:
    return (
        str(revision.number),
        f"{revision.made_at:%Y-%m-%d %H:%M}",
        revision.actor,
        str(len(found)),
        str(gravest(tuple(found)) or "–"),
        revision.reason,
    )


def _pace(revisions: Sequence[Revision]) -> str:
    span = revisions[-1].made_at - revisions[0].made_at
    actors = Counter(revision.actor for revision in revisions)
    by = ", ".join(f"{actor} {count}" for actor, count in actors.most_common())
    text = f"{counted(len(revisions), 'revision')} in {span / _DAY:.1f} days: {by}"
    if len(revisions) > 1:
        text += f"; one each {span / (len(revisions) - 1) / _DAY:.1f} days"
    return text


def _moving(steps: Sequence[Sequence[Change]]) -> list[Item]:
    """Return the keys that changed more than once, those that changed most first."""
    values: dict[KeyPath, list[Any]] = {}
    secrets: set[KeyPath] = set()
    for found in steps:
        for change in found:
            values.setdefault(change.path, [change.old]).append(change.new)
            if change.secret:
                secrets.add(change.path)
    often = sorted(values.items(), key=lambda row: (-len(row[1]), row[0]))
    return [
        _item(path, seen, hidden=path in secrets) for path, seen in often[:_SHOWN] if len(seen) > 2
    ]


def _item(path: KeyPath, seen: Sequence[Any], *, hidden: bool) -> Item:
    times = counted(len(seen) - 1, "time")
    way = "a reference" if hidden else " → ".join(_shown(value) for value in seen)
    texts = [_shown(value) for value in seen]
    if len(set(texts)) < len(texts):
        message = f"changed {times}, and back to what it was: {way}."
        fix = "Find out what the value should be, and write down why in the file."
        return Item(Level.ADVICE, dotted(path), message, fix)
    return Item(Level.NOTE, dotted(path), f"changed {times}{_direction(seen)}: {way}.")


def _direction(seen: Sequence[Any]) -> str:
    numbers = [value for value in seen if isinstance(value, int | float)]
    if len(numbers) < len(seen):
        return ""
    if all(old < new for old, new in pairwise(numbers)):
        return ", always up"
    return ", always down" if all(old > new for old, new in pairwise(numbers)) else ""


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "–"
    return "…" if isinstance(value, dict) else json.dumps(value, ensure_ascii=False)
