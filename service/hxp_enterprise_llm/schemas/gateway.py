"""GatewayConfig: what one gateway host serves, as `gateway.yaml` says it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from hxp_enterprise_llm.schemas.base import Bytes, CitadelModel, Seconds
from hxp_enterprise_llm.schemas.effect import Effect
from hxp_enterprise_llm.schemas.text import Address, ServedName, check_address


def _check_upstream(value: str) -> str:
    host, _, port = value.rpartition(":")
    check_address(host.removesuffix("."))
    if not 1 <= int(port) <= 65535:
        raise ValueError("write a port from 1 to 65535")
    return value


UpstreamAddress = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9.-]+:[0-9]{1,5}$"),
    AfterValidator(_check_upstream),
]
CredentialName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$")]
Task = Literal["generate", "embed"]
LogLevel = Literal["debug", "info", "warning", "error"]


class Listen(CitadelModel):
    """An address and a port to listen on."""

    host: Address = Field(default="127.0.0.1", description="IPv4 address to bind.")
    port: int = Field(ge=1, le=65535, description="TCP port.")


class ServedModel(CitadelModel):
    """A model and the engines that serve it."""

    upstreams: tuple[UpstreamAddress, ...] = Field(
        min_length=1, description="`address:port` of each engine's allow-list proxy."
    )
    task: Task | None = Field(
        default=None,
        description="Chat and completions, or embeddings; when absent, the engine judges paths.",
    )


class Limits(CitadelModel):
    """What a worker takes in at most."""

    max_connections: int = Field(
        default=1000,
        ge=1,
        description="Open connections a worker that have shown the key; more get 503.",
    )
    max_strangers: int = Field(
        default=2048,
        ge=1,
        description="Open connections a worker that have not yet; the oldest makes room.",
    )
    max_body: Bytes = Field(default=16 * 2**20, ge=1, description="Request body; more gets 413.")
    max_headers: int = Field(default=64, ge=1, description="Header lines; more get 431.")
    max_header_bytes: Bytes = Field(
        default=16 * 2**10, ge=256, description="All headers together; more gets 431."
    )


class Timeouts(CitadelModel):
    """How long a worker waits for what."""

    connect: Seconds = Field(
        default=0.4, gt=0, description="For a connection to an engine; two tries stay below 1 s."
    )
    request: Seconds = Field(default=300.0, gt=0, description="For a whole request.")
    idle: Seconds = Field(default=120.0, gt=0, description="Between two pieces of an answer.")
    receive: Seconds = Field(default=30.0, gt=0, description="For a client to send its request.")
    send: Seconds = Field(
        default=30.0, gt=0, description="For a client to read what waits for it; then it is cut."
    )
    keep_alive: Seconds = Field(default=75.0, gt=0, description="For a client's next request.")
    upstream_keep_alive: Seconds = Field(
        default=4.0, gt=0, description="Idle engine connections; below the engine's own 5 s."
    )
    drain: Seconds = Field(
        default=30.0, gt=0, description="For requests in flight after SIGTERM; then they are ended."
    )


class HealthCheck(CitadelModel):
    """How a worker looks after its upstreams."""

    path: str = Field(default="/health", pattern=r"^/", description="Path that answers 200.")
    interval: Seconds = Field(default=0.5, gt=0, description="Pause between two looks.")
    timeout: Seconds = Field(
        default=5.0, gt=0, description="Generous: a busy engine is slow, not gone."
    )


class GatewayConfig(CitadelModel):
    """One gateway host. Read by every worker; holds no secret."""

    schema_version: Annotated[Literal[1], Effect.LIVE] = Field(
        default=1, alias="schema", description="Version of this document's form."
    )
    listen: Annotated[Listen, Effect.RESTART] = Field(
        description="Where users come in; shared by all workers."
    )
    metrics: Annotated[Listen, Effect.RESTART] = Field(
        description="/metrics and /health of worker 1; worker n has port + n - 1."
    )
    credential: Annotated[CredentialName, Effect.RESTART] = Field(
        default="key", description="Name of the file with the key in $CREDENTIALS_DIRECTORY."
    )
    models: Annotated[dict[ServedName, ServedModel], Effect.LIVE] = Field(
        default_factory=dict, description="Served name → its upstreams."
    )
    limits: Annotated[Limits, Effect.LIVE] = Field(
        default=Limits(), description="What a worker takes in at most."
    )
    timeouts: Annotated[Timeouts, Effect.LIVE] = Field(
        default=Timeouts(), description="How long a worker waits for what."
    )
    health: Annotated[HealthCheck, Effect.LIVE] = Field(
        default=HealthCheck(), description="How a worker looks after its upstreams."
    )
    log_level: Annotated[LogLevel, Effect.LIVE] = Field(
        default="info", description="`warning` leaves out the line of each request."
    )
