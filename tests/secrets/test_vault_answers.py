"""Answers that a Vault should not give, from a double over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hxp_enterprise_llm.configuration.secrets.errors import (
    AccessDeniedError,
    BackendAwayError,
    SecretError,
    SecretNotFoundError,
    SecretRefusedError,
    VaultRefusedError,
    VaultSealedError,
)
from hxp_enterprise_llm.configuration.secrets.leases import RenewalPolicy
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.vault.auth import AppRole, StaticToken
from hxp_enterprise_llm.configuration.secrets.vault.client import VaultClient
from hxp_enterprise_llm.configuration.secrets.vault.settings import VaultSettings

CANARY = "canary-echoed"


class Double:
    """A server that answers what it is told, and counts logins."""

    def __init__(self) -> None:
        self.answer = web.Response(text="{}")
        self.known = True
        self.logins = 0
        self.headers: list[dict[str, str]] = []
        self.asked: list[tuple[str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        self.asked.append((request.path, request.query_string))
        if request.path == "/v1/auth/approle/login":
            self.logins += 1
            auth = {"client_token": f"t{self.logins}", "lease_duration": 3600, "renewable": True}
            return web.json_response({"auth": auth})
        if request.path == "/v1/auth/token/lookup-self":
            if not self.known:
                return web.json_response({"errors": ["permission denied"]}, status=403)
            return web.json_response({"data": {"ttl": 0, "renewable": False}})
        return web.Response(
            body=self.answer.body, status=self.answer.status, headers=self.answer.headers
        )


@pytest.fixture
async def double() -> Double:
    return Double()


@pytest.fixture
async def address(double: Double) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", double.handle)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
async def client(address: str) -> AsyncIterator[VaultClient]:
    auth = StaticToken(Secret("s.token"))
    client = VaultClient(VaultSettings(address, auth, namespace="team"))
    yield client
    await client.aclose()


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (200, "no json", BackendAwayError, "answered 200 in no known form"),
        (200, "[1]", BackendAwayError, "in no known form"),
        (200, '"' + "x" * (1 << 20) + '"', BackendAwayError, "in no known form"),
        (502, "<html>bad gateway</html>", BackendAwayError, "answered 502 in no known form"),
        (500, f'{{"errors": ["{CANARY}"]}}', BackendAwayError, "answered 500"),
        (503, '{"errors": ["Vault is sealed"]}', VaultSealedError, "is sealed"),
        (503, '{"errors": ["standby"]}', BackendAwayError, "answered 503"),
        (429, "{}", BackendAwayError, "answered 429"),
        (473, "{}", BackendAwayError, "answered 473"),
        (307, "{}", BackendAwayError, "answered 307"),
        (404, '{"errors": []}', SecretNotFoundError, "has nothing at kv/data/a"),
        (403, f'{{"errors": ["{CANARY}"]}}', AccessDeniedError, "Vault refuses kv/data/a"),
        (400, f'{{"errors": ["{CANARY}"]}}', VaultRefusedError, "status 400"),
        (400, '{"errors": ["check-and-set failed"]}', VaultRefusedError, "check-and-set"),
    ],
)
async def test_each_odd_answer_is_an_error_that_repeats_nothing_of_it(
    double: Double,
    client: VaultClient,
    status: int,
    body: str,
    error: type[Exception],
    message: str,
) -> None:
    headers = {"Location": "http://127.0.0.1:9/elsewhere"} if status == 307 else None
    double.answer = web.Response(text=body, status=status, headers=headers)
    with pytest.raises(error, match=message) as caught:
        await client.request("GET", "kv/data/a")
    assert CANARY not in str(caught.value)
    assert double.headers[-1]["X-Vault-Namespace"] == "team"


async def test_a_path_cannot_break_out_of_its_place(double: Double, client: VaultClient) -> None:
    await client.request("GET", "kv/data/a?list=true#x")
    assert double.asked[-1] == ("/v1/kv/data/a?list=true#x", "")
    for path in ("kv/data/../../sys/seal", "kv/./data/a"):
        with pytest.raises(SecretRefusedError, match=r"has \. or \.\. in it"):
            await client.request("GET", path)
    assert len(double.asked) == 2


async def test_a_role_that_is_refused_everything_does_not_log_in_without_end(
    double: Double, address: str
) -> None:
    double.known = False
    double.answer = web.Response(text="{}", status=403)
    auth = AppRole("r", Secret("s"))
    client = VaultClient(VaultSettings(address, auth), renewal=RenewalPolicy(least=3600))
    try:
        for _ in range(10):
            with pytest.raises(AccessDeniedError):
                await client.request("GET", "kv/data/a")
    finally:
        await client.aclose()
    assert double.logins == 1


async def test_a_token_that_may_not_look_at_itself_is_used_all_the_same(
    double: Double, client: VaultClient
) -> None:
    double.known = False
    assert await client.request("GET", "kv/data/a") == {}


@pytest.mark.parametrize("answer", ["{}", '{"auth": {}}', '{"auth": {"client_token": 1}}'])
async def test_a_login_answer_of_no_known_form_is_said(
    double: Double, address: str, answer: str
) -> None:
    double.answer = web.Response(text=answer)
    auth = AppRole("r", Secret("s"), mount="other")
    client = VaultClient(VaultSettings(address, auth))
    try:
        with pytest.raises(SecretError, match="no known form"):
            await client.request("GET", "kv/data/a")
    finally:
        await client.aclose()


async def test_health_is_asked_without_a_token(double: Double, client: VaultClient) -> None:
    double.answer = web.json_response({"sealed": False, "version": "1.21.0"})
    assert (await client.health()).startswith("Vault 1.21.0 at http://127.0.0.1")
    assert "X-Vault-Token" not in double.headers[-1]
    double.answer = web.json_response({"sealed": True})
    with pytest.raises(VaultSealedError):
        await client.health()
