"""A small configuration with every kind of field, for tests of sources and of the manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from hxp_enterprise_llm.configuration.sources.base import Source
from hxp_enterprise_llm.schemas.base import Bytes, CitadelModel
from hxp_enterprise_llm.schemas.effect import Effect
from hxp_enterprise_llm.schemas.reference import SecretReference

if TYPE_CHECKING:
    import pytest


class Host(CitadelModel):
    memory: Annotated[Bytes, Effect.RESTART] = Field(description="Memory.")
    roles: tuple[str, ...] = ()
    cpus: float | None = 1.0


class Store(CitadelModel):
    port: int = Field(default=5433, ge=1, le=65535, description="TCP port.")
    password: Annotated[SecretReference, Effect.DANGEROUS] = "generated:store"


class Sample(CitadelModel):
    schema_version: Literal[1] = Field(default=1, alias="schema")
    level: Annotated[int, Effect.LIVE] = Field(default=1, ge=0, description="How much.")
    version: Annotated[str | None, Effect.DRAIN] = None
    debug: Annotated[bool, Effect.LIVE] = False
    data: Annotated[str, Effect.DANGEROUS] = "/opt/data"
    store: Annotated[Store, Effect.RESTART] = Store()
    hosts: Annotated[dict[str, Host], Effect.DRAIN] = Field(default_factory=dict)
    engine: Annotated[dict[str, int | str | tuple[str, ...]], Effect.DRAIN] = Field(
        default_factory=dict
    )


Sources = list[Source]


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the fields of all events of ours that were logged."""
    logged: list[Any] = [record.msg for record in caplog.records]
    return [fields for fields in logged if isinstance(fields, dict)]
