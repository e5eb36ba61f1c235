"""Where the state of the stack is kept (D7)."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.base import WrittenModel
from hxp_enterprise_llm.schemas.text import SecretsProvider, StateUrl


class State(WrittenModel):
    """Backend and secrets provider of Pulumi for this environment."""

    backend: StateUrl | None = Field(
        default=None,
        description="Pulumi backend URL, such as s3://bucket; `.citadel/` when absent.",
    )
    secrets_provider: SecretsProvider = Field(
        default="passphrase",
        description="Pulumi secrets provider: passphrase, awskms://…, hashivault://…",
    )
