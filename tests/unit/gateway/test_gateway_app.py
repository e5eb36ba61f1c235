"""The ASGI application by itself: what it answers before any engine is asked."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hxp_enterprise_llm.core.health import Health, Verdict
from hxp_enterprise_llm.core.lifecycle import State
from hxp_enterprise_llm.core.link import Link
from hxp_enterprise_llm.gateway.app import Gateway
from hxp_enterprise_llm.gateway.exchange import FULL
from hxp_enterprise_llm.gateway.keys import Key
from hxp_enterprise_llm.gateway.metrics import Metrics
from hxp_enterprise_llm.gateway.relay import Relay
from hxp_enterprise_llm.gateway.serving import Serving
from hxp_enterprise_llm.gateway.upstream import Client, Pool, Upstream
from hxp_enterprise_llm.schemas.gateway import GatewayConfig, Limits, Listen, Task, Timeouts
from hxp_enterprise_llm.utilities.faults import Faults, Handling
from hxp_enterprise_llm.utilities.logging import get_logger

KEY = "ck_" + "a" * 32
AUTHORIZED = [(b"host", b"gateway"), (b"authorization", f"Bearer {KEY}".encode())]


@pytest.fixture
async def upstream() -> Upstream:
    return Upstream("tiny", "127.0.0.1:9", lambda _: None)


@asynccontextmanager
async def gateway_of(
    pool: Pool, limits: Limits | None = None, faults: Faults | None = None
) -> AsyncIterator[Gateway]:
    """Give a gateway before one model, whose service is always well."""
    where, measures = Listen(port=1), Metrics(["tiny"])
    config = GatewayConfig(listen=where, metrics=where, limits=limits or Limits())

    async def health() -> Health:
        return Health("gateway", State.READY, Verdict.HEALTHY)

    async with Client(Timeouts()) as client:
        yield Gateway(
            Key(KEY),
            Serving(config, {"tiny": pool}, Link(Relay(client, Timeouts(), measures))),
            measures,
            health=health,
            faults=faults or Faults("gateway"),
            log=get_logger("gateway"),
        )


@pytest.fixture
async def gateway(upstream: Upstream) -> AsyncIterator[Gateway]:
    async with gateway_of(Pool([upstream]), Limits(max_body=100)) as one:
        yield one


async def call(
    app: Any,
    path: str,
    *bodies: bytes,
    method: str = "GET",
    headers: list[tuple[bytes, bytes]] | None = None,
    full: bool = False,
) -> tuple[int, dict[bytes, bytes], dict[str, Any]]:
    """Send one ASGI request; without a body, the client leaves at once."""
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": body, "more_body": body is not bodies[-1]}
        for body in bodies
    ]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "path": path,
        "method": method,
        "headers": AUTHORIZED if headers is None else headers,
        "client": ("192.0.2.1", 1),
        "state": {FULL: full},
    }
    await app(scope, receive, send)
    if not sent:
        return 0, {}, {}
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(body)


async def test_what_is_cheap_is_checked_first(gateway: Gateway) -> None:
    nobody = AUTHORIZED[:1]
    assert (await call(gateway, "/v1/nothing", headers=nobody))[0] == 404
    assert (await call(gateway, "/v1/embeddings", headers=nobody))[0] == 405
    assert (await call(gateway, "/v1/embeddings", b"{", method="POST", headers=nobody))[0] == 401
    assert (await call(gateway, "/v1/models", headers=[]))[0] == 400


async def test_a_connection_without_a_place_gets_503_and_hears_that_it_ends(
    gateway: Gateway,
) -> None:
    status, headers, _ = await call(gateway, "/v1/models", full=True)
    assert (status, headers[b"connection"]) == (503, b"close")
    assert (await call(gateway, "/health/live", full=True))[0] == 200


@pytest.mark.parametrize(
    ("task", "path", "use"),
    [
        ("embed", "/v1/chat/completions", "POST /v1/embeddings"),
        ("embed", "/v1/completions", "POST /v1/embeddings"),
        ("generate", "/v1/embeddings", "POST /v1/chat/completions or POST /v1/completions"),
    ],
)
async def test_a_path_that_is_not_for_a_models_task_is_refused_and_the_right_one_named(
    upstream: Upstream, task: Task, path: str, use: str
) -> None:
    upstream.judge("")
    async with gateway_of(Pool([upstream], task)) as app:
        status, _, document = await call(app, path, b'{"model": "tiny"}', method="POST")
    error = document["error"]
    assert (status, error["type"], error["code"]) == (
        400,
        "invalid_request_error",
        "wrong_endpoint",
    )
    assert use in error["message"]


async def test_a_body_is_capped_while_it_comes(gateway: Gateway) -> None:
    pieces = (b"x" * 60, b"y" * 60, b"never read")
    status, _, document = await call(gateway, "/v1/embeddings", *pieces, method="POST")
    assert (status, document["error"]["code"]) == (413, "request_too_large")


async def test_a_declared_length_above_the_cap_is_refused_unread(gateway: Gateway) -> None:
    headers = [*AUTHORIZED, (b"content-length", b"101")]
    assert (await call(gateway, "/v1/embeddings", method="POST", headers=headers))[0] == 413


async def test_a_client_that_leaves_while_sending_gets_nothing_and_is_counted(
    gateway: Gateway,
) -> None:
    assert await call(gateway, "/v1/embeddings", method="POST") == (0, {}, {})
    _, headers, _ = await call(gateway, "/v1/models")
    assert len(headers[b"x-request-id"]) == 32


async def test_a_model_whose_engines_are_down_is_503_without_a_try(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.judge("connection refused")
    body = b'{"model": "tiny"}'
    status, headers, document = await call(gateway, "/v1/embeddings", body, method="POST")
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert document["error"]["code"] == "upstream_unavailable"


async def test_an_error_that_nobody_foresaw_is_500_counted_and_logged_by_its_incident(
    upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.judge("")
    counted: list[tuple[str, Handling]] = []

    class Broken(Pool):
        def tries(self, refused: Any) -> Any:
            raise RuntimeError("secret-of-the-engine")

    faults = Faults("gateway", count=lambda *what: counted.append(what), incident=lambda: "4711")
    async with gateway_of(Broken([upstream]), faults=faults) as app:
        with caplog.at_level(logging.INFO):
            status, _, document = await call(
                app, "/v1/embeddings", b'{"model": "tiny"}', method="POST"
            )
    assert (status, document["error"]["code"]) == (500, "internal_error")
    assert "secret-of-the-engine" not in json.dumps(document)
    assert counted == [("citadel.unexpected", Handling.REPORTED)]
    assert "4711" in caplog.text
