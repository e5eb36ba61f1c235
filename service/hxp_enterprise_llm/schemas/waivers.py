"""Waivers: a rule that does not hold here, why, and until when (D13)."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, StringConstraints

from hxp_enterprise_llm.schemas.base import CitadelModel


class Waiver(CitadelModel):
    """One exception from one rule, with its end."""

    rule: Annotated[str, StringConstraints(pattern=r"^C\d{3}$")] = Field(
        description="Id of the rule, such as C210."
    )
    path: str = Field(description="Key that the rule names, or a key above it: `hosts.llm-1`.")
    reason: Annotated[str, StringConstraints(min_length=10)] = Field(
        description="Why the rule may be broken here; a sentence."
    )
    until: date = Field(description="Last day on which the waiver holds, such as 2027-01-31.")
