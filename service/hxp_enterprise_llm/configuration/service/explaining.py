"""Which revision gave a key its value, and what it overrode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.effects import effect_of
from hxp_enterprise_llm.configuration.explain import Explanation, find
from hxp_enterprise_llm.configuration.revisions import Revision
from hxp_enterprise_llm.configuration.revisions.base import UnusableRevisionError
from hxp_enterprise_llm.configuration.service.document import ServedDocument
from hxp_enterprise_llm.configuration.service.errors import KeyNotFoundError
from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.schemas.configuration_service import ExplanationView, SetBy

LOOKED_AT = 100
"""Revisions that are looked at; a value that is older has no `set_by`."""
_ABSENT = object()


def value_of(document: Mapping[str, Any], path: str) -> Any:
    """Return a value by its dotted path.

    Raises:
        KeyNotFoundError: There is no such key; names the nearest.
    """
    try:
        return find(document, path)[1]
    except CitadelError as error:
        raise KeyNotFoundError(error.message, next_step=error.next_step) from None


def path_of(document: Mapping[str, Any], wanted: str) -> KeyPath:
    """Return the keys of a dotted name; what is not there counts as one key below what is."""
    known, rest = wanted, ""
    while known:
        try:
            path = find(document, known)[0]
        except CitadelError:
            known, _, last = known.rpartition(".")
            rest = f"{last}.{rest}" if rest else last
            continue
        return (*path, rest) if rest else path
    return (rest,) if rest else ()


async def explained(document: ServedDocument, path: str) -> tuple[ExplanationView, ...]:
    """Return the explanation of a key, or of every key below it.

    Raises:
        KeyNotFoundError: There is no such key.
    """
    value_of(document.snapshot.document, path)
    serving = document.revision
    before = serving.number + 1 if serving is not None else None
    history = _whole(*await document.history(LOOKED_AT, before))
    older = [(revision, revision.document) for revision in history]
    return tuple(_view(document, one, older) for one in document.snapshot.explain(path))


def _whole(found: Sequence[Revision], bad: Sequence[UnusableRevisionError]) -> Sequence[Revision]:
    """Return the revisions down to the newest that is bad: who set what before, nobody knows."""
    last = max((error.number for error in bad), default=0)
    return [revision for revision in found if revision.number > last]


def _view(
    document: ServedDocument, one: Explanation, older: Sequence[tuple[Revision, dict[str, Any]]]
) -> ExplanationView:
    path = find(document.snapshot.document, one.path)[0]
    default = one.source == "default"
    return ExplanationView(
        path=one.path,
        value=one.value,
        source="default" if default else str(document.key),
        description=one.description,
        unit=one.unit,
        effect=effect_of(document.kind.model, path, document.snapshot.document),
        set_by=_set_by(one.path, one.value, older),
    )


def _set_by(
    path: str, value: Any, older: Sequence[tuple[Revision, dict[str, Any]]]
) -> SetBy | None:
    """Return the oldest revision since which the value is what it is."""
    since: Revision | None = None
    for revision, document in older:
        before = _at(document, path)
        if before != value:
            return _of(since, None if before is _ABSENT else before)
        since = revision
    return _of(since, None) if since is not None and since.number == 1 else None


def _of(revision: Revision | None, before: Any) -> SetBy | None:
    if revision is None:
        return None
    return SetBy(
        number=revision.number,
        actor=revision.actor,
        reason=revision.reason,
        made_at=revision.made_at,
        before=before,
    )


def _at(document: Mapping[str, Any], path: str) -> Any:
    try:
        return find(document, path)[1]
    except CitadelError:
        return _ABSENT
