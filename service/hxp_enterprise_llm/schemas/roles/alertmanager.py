"""Data of role `alertmanager`: who hears of an alert."""

from __future__ import annotations

from pydantic import Field

from hxp_enterprise_llm.schemas.reference import SecretReference
from hxp_enterprise_llm.schemas.roles.role import RoleData
from hxp_enterprise_llm.schemas.text import AbsolutePath


class AlertmanagerRole(RoleData):
    """Alertmanager 0.25 of Debian under our own unit."""

    packages: tuple[str, ...] = ("prometheus-alertmanager",)
    address: str = Field(description="Address of the host that Alertmanager binds.")
    port: int = Field(default=9093, ge=1, le=65535, description="TCP port.")
    data: AbsolutePath = Field(
        default="/opt/data/alertmanager", description="Volume of silences and of what was sent."
    )
    webhook_url: str | None = Field(
        default=None, description="Where alerts are posted as JSON; nobody hears them when absent."
    )
    webhook_token: SecretReference | None = Field(
        default=None, description="Reference to the bearer token of the webhook."
    )
