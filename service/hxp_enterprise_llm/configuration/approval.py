"""Dangerous changes need a reason, and the approval of somebody else."""

from __future__ import annotations

from typing import Any

from hxp_enterprise_llm.configuration.diff import Change
from hxp_enterprise_llm.configuration.effects import Effect
from hxp_enterprise_llm.configuration.phases import ApprovalError, Phase, PhaseError
from hxp_enterprise_llm.configuration.snapshot import Snapshot


def is_same(one: str, other: str) -> bool:
    """Return whether two names are of one actor: spaces around and capitals tell nobody apart."""
    return one.strip().casefold() == other.strip().casefold()


def require_approval(found: tuple[Change, ...], new: Snapshot[Any]) -> None:
    """Pass where no change is dangerous, or the snapshot says why and who approved it.

    Args:
        found: The changes.
        new: The snapshot that has them.

    Raises:
        PhaseError: Something is missing.
    """
    dangerous = tuple(change for change in found if change.effect is Effect.DANGEROUS)
    if not dangerous:
        return
    missing, approver = "", (new.approver or "").strip()
    if not new.reason.strip():
        missing = "a reason"
    elif not approver:
        missing = "somebody's approval"
    elif is_same(approver, new.actor):
        missing = "the approval of somebody else than its actor"
    if missing:
        raise PhaseError(Phase.APPROVE, ApprovalError(dangerous, missing))
