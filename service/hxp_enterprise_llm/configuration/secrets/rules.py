"""How one secret is renewed: who makes its values, how often, and with which hook (CX-03)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from hxp_enterprise_llm.configuration.secrets.errors import SecretRefusedError
from hxp_enterprise_llm.configuration.secrets.values import looks_generated

MOST_DAYS = 3650


class MadeBy(StrEnum):
    """Who made a value: that tells whether a random one may follow it."""

    GENERATED = "generated"
    GIVEN = "given"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class RotationRule:
    """What holds for one secret beside the policy.

    Attributes:
        made_by: Who made its value.
        every_days: Age in days at which it is due; None for the policy's.
        hook: Program that renews it outside; empty for none.
        problem: Why the rule that stands beside the secret is not understood; empty when it is.
    """

    made_by: MadeBy = MadeBy.UNKNOWN
    every_days: int | None = None
    hook: str = ""
    problem: str = ""

    def __post_init__(self) -> None:
        if self.every_days is not None and not 1 <= self.every_days <= MOST_DAYS:
            raise SecretRefusedError(
                f"{self.every_days} is no number of days from 1 to {MOST_DAYS}",
                next_step="Give the age in days at which the secret is due.",
            )

    @property
    def automatic(self) -> bool:
        """Return whether it can be renewed without anybody giving a value."""
        return bool(self.hook) or self.made_by is MadeBy.GENERATED

    def every(self, policy: timedelta) -> timedelta:
        """Return the age at which the secret is due."""
        return policy if self.every_days is None else timedelta(days=self.every_days)

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"made_by": self.made_by.value, "every_days": self.every_days, "hook": self.hook}


def read_rule(document: Any) -> RotationRule:
    """Return the rule that a JSON document has.

    Raises:
        ValueError: It has another form.
    """
    if not isinstance(document, dict):
        raise ValueError("no map")  # noqa: TRY004 # the caller names file and path
    days, hook = document.get("every_days"), document.get("hook", "")
    made_by: Any = document.get("made_by")
    if not (days is None or (isinstance(days, int) and not isinstance(days, bool))):
        raise ValueError("every_days")
    if not isinstance(hook, str):
        raise ValueError("hook")  # noqa: TRY004
    try:
        return RotationRule(MadeBy(made_by), days, hook)
    except SecretRefusedError:
        raise ValueError("every_days") from None


def labelled(days: str | None) -> RotationRule:
    """Return the rule of a secret whose backend keeps a text with the number of days beside it.

    A wrong one is a problem of the due list, and keeps nobody from reading.

    Args:
        days: What stands there; None or empty for nothing.
    """
    if not days:
        return RotationRule()
    if days.isascii() and days.isdigit() and 1 <= int(days[:9]) <= MOST_DAYS:
        return RotationRule(every_days=int(days))
    return RotationRule(
        problem=f"its label with the days of rotation is no number from 1 to {MOST_DAYS}"
    )


def derived(path: str, value: str) -> RotationRule:
    """Return the rule of a value that nobody wrote one down for: ours have a form of their own."""
    return RotationRule(MadeBy.GENERATED if looks_generated(path, value) else MadeBy.GIVEN)
