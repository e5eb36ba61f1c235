"""What is kept of a key that somebody comes in with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from hxp_enterprise_llm.schemas.access import Name
from hxp_enterprise_llm.schemas.base import CitadelModel

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Key(CitadelModel):
    """The key of a service or a person; what is kept of it cannot be used to come in."""

    principal: Name = Field(description="Whose key it is.")
    sha256: Digest = Field(description="SHA-256 of a key of 256 random bits, as hex digits.")
