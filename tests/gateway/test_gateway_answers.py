"""Every status that callers can get, in OpenAI's shape."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from hxp_enterprise_llm.testing.engine import EngineDouble
from hxp_enterprise_llm.testing.engine_contract import check_engine
from hxp_enterprise_llm.testing.gateway import KEY, RunningGateway

CHAT = "/v1/chat/completions"
TWO_FRAMINGS = (
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
)
BODY = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}]}


async def refusal(response: aiohttp.ClientResponse) -> dict[str, Any]:
    assert response.content_type == "application/json"
    document = await response.json()
    assert set(document) == {"error"}
    assert set(document["error"]) >= {"message", "type", "param", "code"}
    error: dict[str, Any] = document["error"]
    return error


async def test_the_double_keeps_the_contract_of_an_engine(engine: EngineDouble) -> None:
    await check_engine(f"http://{engine.address}", "tiny")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, BODY),
        ("/v1/completions", {"model": "tiny", "prompt": "Hello"}),
        ("/v1/embeddings", {"model": "tiny", "input": "Hello"}),
    ],
)
async def test_a_plain_answer_and_the_request_pass_through_byte_for_byte(
    client: aiohttp.ClientSession, engine: EngineDouble, path: str, body: dict[str, Any]
) -> None:
    sent = json.dumps(body, indent=3).encode()
    async with client.post(path, data=sent) as response:
        got = await response.read()
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("application/json")
        assert int(response.headers["Content-Length"]) == len(got)
    assert json.loads(got)["model"] == "tiny"
    assert (engine.received[0].path, engine.received[0].body) == (path, sent)


async def test_models_lists_what_is_served(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/models") as response:
        document = await response.json()
    assert document["object"] == "list"
    assert [entry["id"] for entry in document["data"]] == ["tiny"]
    async with client.get("/v1/models/tiny") as response:
        assert (await response.json())["object"] == "model"
    async with client.get("/v1/models/other") as response:
        assert (await refusal(response))["code"] == "model_not_found"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        f"Basic {KEY}",
        KEY,
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
    ],
)
async def test_a_missing_or_wrong_key_gets_401_and_reaches_no_engine(
    gateway: RunningGateway, engine: EngineDouble, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with (
        aiohttp.ClientSession(gateway.url) as nobody,
        nobody.post(CHAT, json=BODY, headers=headers) as response,
    ):
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        error = await refusal(response)
    assert error["code"] == "invalid_api_key"
    assert not engine.received
    assert KEY[:-1] not in json.dumps(error)


async def test_an_unknown_model_gets_404(client: aiohttp.ClientSession) -> None:
    async with client.post(CHAT, json=BODY | {"model": "gpt-9"}) as response:
        assert response.status == 404
        error = await refusal(response)
    assert (error["code"], error["param"]) == ("model_not_found", "model")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nope", b'{"model":', b'{"x": ' + b"[" * 20_000, b'{"model": "\xff"}'],
)
async def test_a_body_that_is_not_json_gets_400(client: aiohttp.ClientSession, body: bytes) -> None:
    async with client.post(CHAT, data=body) as response:
        assert response.status == 400
        assert (await refusal(response))["code"] == "invalid_json"


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"model": 1}', b'{"model": null}', b'"tiny"'])
async def test_a_body_that_names_no_model_gets_400(
    client: aiohttp.ClientSession, body: bytes
) -> None:
    async with client.post(CHAT, data=body) as response:
        assert response.status == 400
        assert (await refusal(response))["param"] == "model"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_above_the_cap_gets_413_and_the_connection_lives_on(
    client: aiohttp.ClientSession, engine: EngineDouble, *, chunked: bool
) -> None:
    body = json.dumps(BODY | {"user": "x" * 200_000}).encode()

    async def pieces() -> Any:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    async with client.post(CHAT, data=pieces() if chunked else body) as response:
        assert response.status == 413
        assert (await refusal(response))["code"] == "request_too_large"
    async with client.post(CHAT, json=BODY) as response:
        assert response.status == 200
    assert len(engine.received) == 1


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", CHAT, "POST"), ("DELETE", "/v1/embeddings", "POST"), ("POST", "/v1/models", "GET")],
)
async def test_a_wrong_method_gets_405_with_allow(
    client: aiohttp.ClientSession, method: str, path: str, allowed: str
) -> None:
    async with client.request(method, path) as response:
        assert response.status == 405
        assert response.headers["Allow"] == allowed
        assert (await refusal(response))["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/metrics", "/v1/chat/completions/", "/v1/load_lora_adapter", "/docs"]
)
async def test_a_path_that_is_not_on_the_list_gets_404(
    client: aiohttp.ClientSession, engine: EngineDouble, path: str
) -> None:
    async with client.post(path, json=BODY) as response:
        assert response.status == 404
        assert (await refusal(response))["code"] == "unknown_url"
    assert not engine.received


@pytest.mark.parametrize(
    ("status", "given", "wanted"),
    [
        (
            400,
            {"message": "too long", "type": "Bad Request", "param": "messages", "code": 400},
            {"type": "invalid_request_error", "param": "messages", "code": None},
        ),
        (
            404,
            {"message": "gone", "type": "NotFoundError", "param": None, "code": "model_not_found"},
            {"type": "invalid_request_error", "param": None, "code": "model_not_found"},
        ),
        (
            500,
            {"message": "broke", "type": "InternalServerError", "code": "500"},
            {"type": "server_error", "param": None, "code": None},
        ),
    ],
)
async def test_an_engines_refusal_keeps_its_message_and_gets_openais_type_and_code(
    client: aiohttp.ClientSession,
    engine: EngineDouble,
    status: int,
    given: dict[str, Any],
    wanted: dict[str, Any],
) -> None:
    engine.script.answer = (status, "application/json", json.dumps({"error": given}).encode())
    async with client.post(CHAT, json=BODY) as response:
        assert response.status == status
        assert await refusal(response) == wanted | {"message": given["message"]}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((404, "application/json", b'{"detail": "Not Found"}'), 404),
        ((403, "text/html", b"<html>forbidden</html>"), 403),
        ((500, "text/plain", b"Internal Server Error"), 500),
        ((307, "text/plain", b"elsewhere"), 502),
    ],
)
async def test_an_engines_refusal_of_another_shape_gets_openais(
    client: aiohttp.ClientSession,
    engine: EngineDouble,
    answer: tuple[int, str, bytes],
    status: int,
) -> None:
    engine.script.answer = answer
    async with client.post(CHAT, json=BODY) as response:
        assert response.status == status
        assert (await refusal(response))["code"] == "upstream_refused"


async def test_only_listed_headers_reach_the_engine_and_the_key_never(
    client: aiohttp.ClientSession, engine: EngineDouble
) -> None:
    given = {
        "X-Request-Id": "mine-1",
        "Cookie": "a=b",
        "Connection": "keep-alive, X-Secret",
        "X-Secret": "1",
        "Proxy-Authorization": "Basic eA==",
        "X_Underscore": "1",
        "Accept-Encoding": "gzip",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    async with client.post(CHAT, json=BODY, headers=given) as response:
        assert response.headers["X-Request-Id"] == "mine-1"
        assert "Server" not in response.headers
    headers = {name.lower(): value for name, value in engine.received[0].headers.items()}
    assert set(headers) <= {
        *("host", "accept", "accept-encoding", "user-agent", "content-type", "content-length"),
        *("x-request-id", "traceparent", "connection"),
    }
    assert headers["x-request-id"] == "mine-1"
    assert headers["traceparent"] == given["traceparent"]
    assert headers["accept-encoding"] == "identity"


async def test_a_request_without_an_id_gets_one_that_the_log_has_too(
    client: aiohttp.ClientSession, gateway: RunningGateway
) -> None:
    async with client.post(CHAT, json=BODY, headers={"X-Request-Id": "bad id\t"}) as response:
        await response.read()
        made = response.headers["X-Request-Id"]
    assert len(made) == 32
    (line,) = await gateway.logged("request", 1)
    assert (line["request_id"], line["status"], line["model"]) == (made, 200, "tiny")


TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("given", "request_id", "trace_id"),
    [
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE, TRACE),
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-Id": "r-1"}, "r-1", TRACE),
        ({"traceparent": "00-made-up-01", "X-Request-Id": "r-2"}, "r-2", None),
    ],
)
async def test_lines_of_a_request_are_joined_by_what_its_caller_named(
    client: aiohttp.ClientSession,
    gateway: RunningGateway,
    given: dict[str, str],
    request_id: str,
    trace_id: str | None,
) -> None:
    async with client.post(CHAT, json=BODY, headers=given) as response:
        assert response.headers["X-Request-Id"] == request_id
    (line,) = await gateway.logged("request", 1)
    assert line["request_id"] == request_id
    assert len(line["trace_id"]) == 32
    assert len(line["span_id"]) == 16
    if trace_id is not None:
        assert line["trace_id"] == trace_id
    assert "made-up" not in gateway.log.read_text()
    assert (line["service"], line["worker"]) == ("gateway", 1)


async def test_lines_about_its_file_are_a_workers_like_all_others(gateway: RunningGateway) -> None:
    gateway.file.write_text("")
    gateway.hang_up()
    (taken,) = await gateway.logged("configuration.applied", 1)
    (refused,) = await gateway.logged("configuration.refused", 1)
    for line in (taken, refused):
        assert line["logger"] == "citadel.gateway"
        assert (line["service"], line["worker"]) == ("gateway", 1)


async def test_a_key_in_a_header_that_is_logged_is_hidden(
    client: aiohttp.ClientSession, gateway: RunningGateway
) -> None:
    async with client.get("/v1/models", headers={"X-Request-Id": KEY}) as response:
        assert response.status == 200
    (line,) = await gateway.logged("request", 1)
    assert line["request_id"] == "[redacted]"
    assert KEY not in gateway.log.read_text()


async def test_no_key_and_no_body_gets_into_the_log(
    client: aiohttp.ClientSession, gateway: RunningGateway
) -> None:
    canary = "canary-in-the-prompt"
    async with client.post(f"{CHAT}?key={canary}", json=BODY | {"user": canary}) as response:
        assert response.status == 200
    async with client.post(CHAT, data=f'{{"{canary}'.encode()) as response:
        assert response.status == 400
    await gateway.logged("request", 2)
    text = gateway.log.read_text()
    assert KEY not in text
    assert canary not in text


async def raw(gateway: RunningGateway, request: bytes) -> bytes:
    """Send bytes as they are and return all that comes back until the gateway closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /v1/models HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", 400),
        (TWO_FRAMINGS, 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 40 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 10_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 9_000, 431),
    ],
)
async def test_malformed_and_oversized_heads_are_refused_in_openais_shape(
    gateway: RunningGateway, request_bytes: bytes, status: int
) -> None:
    head, _, body = (await raw(gateway, request_bytes)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert "message" in json.loads(body)["error"]
