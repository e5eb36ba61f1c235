"""Two real server processes over one real PostgreSQL are one service: logins, revisions, deaths."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from tests.configuration.test_service_api import MAIN
from tests.configuration.test_service_process import Process

from hxp_enterprise_llm.configuration.client import ConfigurationClient, HttpWire
from hxp_enterprise_llm.schemas.gateway import GatewayConfig
from hxp_enterprise_llm.testing.configuration_service import ADMINISTRATOR, KEY, authorization
from hxp_enterprise_llm.testing.postgres import PostgresServer
from hxp_enterprise_llm.testing.waiting import until

pytestmark = pytest.mark.feature("CU-04", "CC-03")
PASSWORD, TRIES = "a long password of hers", 4
HEARD_WITHIN = 2.0
"""Seconds: by NOTIFY it is milliseconds; polls are set to come too late for this."""


@dataclass
class Server:
    """One process, its file and how to ask it."""

    own: Process
    process: asyncio.subprocess.Process

    async def login(self, password: str = PASSWORD) -> str:
        """Return the token of a new session; empty when it is refused."""
        given = {"name": "ada", "password": password}
        status, body = await self.own.ask("POST", "/v1/sessions", {}, given)
        assert status in (200, 401), body
        return str(body["token"]) if status == 200 else ""

    async def status(self, token: str, method: str = "GET", path: str = MAIN) -> int:
        """Return the status of a request with a session's token."""
        return (await self.own.ask(method, path, {"Authorization": f"Bearer {token}"}))[0]

    async def number(self) -> int:
        """Return the revision that it serves."""
        _, body = await self.own.ask("GET", MAIN, authorization(ADMINISTRATOR))
        return int(body["revision"]["number"])

    async def set_password(self) -> None:
        """Let the administrator give Ada a password."""
        by, body = authorization(ADMINISTRATOR), {"password": PASSWORD}
        assert (await self.own.ask("PUT", "/v1/accounts/ada", by, body))[0] == 204

    def wire(self) -> HttpWire:
        """Return the way to it for clients."""
        return HttpWire(f"http://127.0.0.1:{self.own.port}", ADMINISTRATOR, KEY)


@pytest.fixture
async def servers(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[tuple[Server, Server]]:
    async with AsyncExitStack() as stack:
        found = []
        for name in ("one", "two"):
            own = Process(tmp_path / name)
            own.document |= {
                "principals": [{"id": "ada", "roles": ["operator"]}],
                "security": {"attempts": {"tries": TRIES, "within": "1h"}},
                "timeouts": {"poll": 60},
            }
            own.share(postgres)
            found.append(Server(own, await stack.enter_async_context(own.running())))
        yield found[0], found[1]


async def test_a_login_at_one_server_is_a_login_at_both_and_so_is_a_logout(
    servers: tuple[Server, Server],
) -> None:
    one, two = servers
    assert await one.own.apply(0) == 200
    await until(partial(_serves, two, 1), seconds=10)
    assert not await two.login()
    await one.set_password()
    token = await two.login()
    assert token
    assert [await server.status(token) for server in servers] == [200, 200]
    _, accounts = await two.own.ask("GET", "/v1/accounts", authorization(ADMINISTRATOR))
    assert accounts["items"] == [{"name": "ada", "sessions": 1}]
    assert await one.status(token, "DELETE", "/v1/sessions") == 204
    assert [await server.status(token) for server in servers] == [401, 401]


async def test_wrong_passwords_are_counted_together(servers: tuple[Server, Server]) -> None:
    one, two = servers
    await one.set_password()
    guesses = [server.login("a wrong password") for server in (one, two, one, two)]
    assert len(guesses) == TRIES
    assert await asyncio.gather(*guesses) == [""] * TRIES
    assert [await server.login() for server in servers] == ["", ""], "the account is held at both"
    await two.set_password()
    assert await one.login()


async def test_a_revision_is_everywhere_soon_and_the_death_of_a_server_stops_nobody(
    servers: tuple[Server, Server], tmp_path: Path
) -> None:
    one, two = servers
    await one.set_password()
    token = await one.login()
    for number in range(3):
        assert await one.own.apply(number) == 200
        began = time.monotonic()
        await until(partial(_serves, two, number + 1), seconds=10)
        assert time.monotonic() - began < HEARD_WITHIN
    # Replicas spread over the servers by their names: two that ask different ones first.
    clients = [
        ConfigurationClient(
            [one.wire(), two.wire()],
            "gateway",
            "main",
            GatewayConfig,
            cache=tmp_path / f"{name}.json",
            replica=name,
        )
        for name in ("gw-1", "gw-2", "gw-3", "gw-4")
    ]
    assert len({str(vars(client._servers[0])["_base"]) for client in clients}) == 2
    one.process.kill()
    await one.process.wait()
    assert await two.status(token) == 200, "the session outlives the server that opened it"
    assert await two.own.apply(3) == 200
    for client in clients:
        held = await client.refresh()
        assert (held.fresh, held.revision.number) == (True, 4)
        await client.close()
    async with one.own.running():
        again = Server(one.own, one.process)
        assert await again.number() == 4
        assert await again.status(token) == 200


async def _serves(server: Server, number: int) -> bool:
    status, body = await server.own.ask("GET", MAIN, authorization(ADMINISTRATOR))
    return status == 200 and bool(body["revision"]["number"] == number)
