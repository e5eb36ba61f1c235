"""What is inside, as it goes over the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, KeyPath
from hxp_enterprise_llm.configuration.diff import Change, gravest
from hxp_enterprise_llm.configuration.effects import Effect
from hxp_enterprise_llm.configuration.revisions import Revision
from hxp_enterprise_llm.configuration.revisions.base import UnusableRevisionError
from hxp_enterprise_llm.configuration.service.document import Done, Proposal
from hxp_enterprise_llm.configuration.service.errors import here, status
from hxp_enterprise_llm.schemas.common import FieldProblem
from hxp_enterprise_llm.schemas.configuration_service import (
    Applied,
    ChangeView,
    Plan,
    RevisionView,
    UnusableRevision,
)
from hxp_enterprise_llm.schemas.problem import finding


def revision_view(revision: Revision) -> RevisionView:
    """Return who applied a revision, when and why."""
    return RevisionView.model_validate(revision.as_data())


def unusable_view(error: UnusableRevisionError) -> UnusableRevision:
    """Return what is wrong with a revision."""
    told = here(error)
    return UnusableRevision(
        number=error.number,
        code=told.code,
        status=status(told),
        detail=told.message,
        next_step=told.next_step,
    )


def change_views(changes: Iterable[Change]) -> tuple[ChangeView, ...]:
    """Return changes as plain data."""
    return tuple(ChangeView.model_validate(change.as_data()) for change in changes)


def plan_view(proposal: Proposal, readable: Callable[[KeyPath], bool]) -> Plan:
    """Return what applying a proposal would do; of keys that are not readable, their number."""
    seen = _seen(proposal.changes, readable)
    return Plan(
        number=proposal.base,
        id=proposal.id,
        changes=change_views(seen),
        hidden=len(proposal.changes) - len(seen),
        effect=gravest(proposal.changes),
        approval_needed=bool(dangerous(proposal)),
        findings=_findings(proposal.findings, readable),
    )


def done_view(done: Done, readable: Callable[[KeyPath], bool]) -> Applied:
    """Return what came of an order; of keys that are not readable, their number."""
    seen = _seen(done.changes, readable)
    return Applied(
        changed=done.changed,
        revision=revision_view(done.revision),
        changes=change_views(seen),
        hidden=len(done.changes) - len(seen),
        findings=_findings(done.findings, readable),
    )


def dangerous(proposal: Proposal) -> tuple[Change, ...]:
    """Return the changes that somebody else must approve.

    A new document has none: it takes nothing away from anybody, and nothing runs from it yet.
    """
    if not proposal.base:
        return ()
    return tuple(change for change in proposal.changes if change.effect is Effect.DANGEROUS)


def _findings(
    found: Iterable[Diagnostic], readable: Callable[[KeyPath], bool]
) -> tuple[FieldProblem, ...]:
    return tuple(finding(one.as_data()) for one in found if readable(one.path))


def _seen(changes: Iterable[Change], readable: Callable[[KeyPath], bool]) -> tuple[Change, ...]:
    return tuple(
        change
        for change in changes
        if all(readable(path) for side in (change.old, change.new) for path in _keys(change, side))
    )


def _keys(change: Change, side: Any) -> Iterator[KeyPath]:
    """Yield the path of every value of one side of a change: of a section, of all below it."""
    waiting: list[tuple[KeyPath, Any]] = [(change.path, side)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Mapping) and value:
            waiting += [((*path, key), below) for key, below in value.items()]
        else:
            yield path
