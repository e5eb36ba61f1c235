"""Waivers: a rule that does not hold here, why, and until when (D13)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from hxp_enterprise_llm.schemas.base import WrittenModel


def _a_day(value: Any) -> Any:
    # pydantic takes a number for seconds since 1970.
    if isinstance(value, date | str) and not isinstance(value, datetime):
        return value
    raise ValueError("write a date such as 2027-01-31")


class Waiver(WrittenModel):
    """One exception from one rule, with its end."""

    rule: Annotated[str, StringConstraints(pattern=r"^C\d{3}$")] = Field(
        description="Id of the rule, such as C210."
    )
    path: str = Field(description="Key that the rule names, or a key above it: `hosts.llm-1`.")
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10)] = Field(
        description="Why the rule may be broken here; a sentence."
    )
    until: Annotated[date, BeforeValidator(_a_day)] = Field(
        description="Last day on which the waiver holds, such as 2027-01-31."
    )
