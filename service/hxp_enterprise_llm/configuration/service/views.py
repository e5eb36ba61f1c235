"""What is inside, as it goes over the wire."""

from __future__ import annotations

from collections.abc import Iterable

from hxp_enterprise_llm.configuration.diff import Change, gravest
from hxp_enterprise_llm.configuration.effects import Effect
from hxp_enterprise_llm.configuration.revisions import Revision
from hxp_enterprise_llm.configuration.service.document import Done, Proposal
from hxp_enterprise_llm.schemas.configuration_service import (
    Applied,
    ChangeView,
    Plan,
    RevisionView,
)


def revision_view(revision: Revision) -> RevisionView:
    """Return who applied a revision, when and why."""
    return RevisionView.model_validate(revision.as_data())


def change_views(changes: Iterable[Change]) -> tuple[ChangeView, ...]:
    """Return changes as plain data."""
    return tuple(ChangeView.model_validate(change.as_data()) for change in changes)


def plan_view(proposal: Proposal) -> Plan:
    """Return what applying a proposal would do."""
    return Plan(
        number=proposal.base,
        id=proposal.id,
        changes=change_views(proposal.changes),
        effect=gravest(proposal.changes),
        approval_needed=bool(dangerous(proposal)),
    )


def done_view(done: Done) -> Applied:
    """Return what came of an order."""
    return Applied(
        changed=done.changed,
        revision=revision_view(done.revision),
        changes=change_views(done.changes),
    )


def dangerous(proposal: Proposal) -> tuple[Change, ...]:
    """Return the changes that somebody else must approve; a new document has none."""
    if not proposal.base:
        return ()
    return tuple(change for change in proposal.changes if change.effect is Effect.DANGEROUS)
