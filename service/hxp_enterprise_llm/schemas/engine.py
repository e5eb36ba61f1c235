"""Section `engine`: what holds for vLLM on every host."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.base import WrittenModel


class Engine(WrittenModel):
    """The engine behind all models."""

    version: str | None = Field(
        default=None,
        description="Derived: the version of vLLM that the lock in `locks/` pins; refused when it "
        "differs, or is under the floor 0.32.0.",
    )
