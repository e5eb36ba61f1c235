"""What the data of every role has in common."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.base import CitadelModel


class RoleData(CitadelModel):
    """Everything that a role needs on one host: values, paths and references, no secrets."""

    packages: tuple[str, ...] = Field(
        default=(), description="Debian packages that the role's services come from."
    )
