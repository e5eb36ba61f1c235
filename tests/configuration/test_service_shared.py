"""Two real servers over one real PostgreSQL: they agree, and of two applies at once one wins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.configuration.test_service_api import GATEWAY, MAIN, with_body

from hxp_enterprise_llm.configuration.client import ConfigurationClient, Held, HttpWire
from hxp_enterprise_llm.configuration.database import DatabaseAwayError
from hxp_enterprise_llm.configuration.service import shared
from hxp_enterprise_llm.configuration.service.errors import LimitReachedError
from hxp_enterprise_llm.configuration.service.fleet import MOST, Replica
from hxp_enterprise_llm.configuration.service.shared import PostgresBackend, database_of
from hxp_enterprise_llm.schemas.configuration_service import DatabaseStore
from hxp_enterprise_llm.schemas.gateway import GatewayConfig
from hxp_enterprise_llm.testing.configuration_service import (
    ADMINISTRATOR,
    KEY,
    ServiceUnderTest,
    known,
)
from hxp_enterprise_llm.testing.postgres import PostgresServer
from hxp_enterprise_llm.testing.waiting import until

pytestmark = pytest.mark.feature("CU-04")


def backend(postgres: PostgresServer, environment: str = "test") -> PostgresBackend:
    store = DatabaseStore(
        kind="postgres",
        host=str(postgres.folder),
        database=postgres.database,
        user=postgres.user,
        timeout=5.0,
    )
    return PostgresBackend(database_of(store, postgres.password), environment)


@pytest.fixture
async def pair(
    postgres: PostgresServer, tmp_path: Path
) -> AsyncIterator[tuple[ServiceUnderTest, ServiceUnderTest]]:
    async with AsyncExitStack() as stack:
        # Polls are rare: what comes soon came by NOTIFY.
        servers = [
            ServiceUnderTest(
                tmp_path / name, backend(postgres), settings={"timeouts": {"poll": 60}}
            )
            for name in ("one", "two")
        ]
        for server in servers:
            await stack.enter_async_context(server)
        yield servers[0], servers[1]


async def serves(server: ServiceUnderTest, number: int) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        read = await server.ask("GET", MAIN)
        there = read.status == 200 and read.body["revision"]["number"] == number
        return read.body if there else None

    found = await until(look, seconds=10)
    assert found is not None
    return found


async def test_what_one_server_applies_the_other_serves(
    pair: tuple[ServiceUnderTest, ServiceUnderTest],
) -> None:
    one, two = pair
    await one.apply(GATEWAY)
    assert await serves(two, 1) == await serves(one, 1)
    await two.apply(with_body(5000), 1)
    assert await serves(one, 2) == await serves(two, 2)


async def test_watchers_of_one_server_hear_what_the_other_applied(
    pair: tuple[ServiceUnderTest, ServiceUnderTest],
) -> None:
    one, two = pair
    await one.apply(GATEWAY)
    await serves(two, 1)
    async with two.watch(MAIN + "/watch") as events, asyncio.timeout(10):
        numbers = [number async for event, number in _first(events, 1)]
        await one.apply(with_body(5000), 1)
        numbers += [number async for event, number in _first(events, 1)]
    assert numbers == ["1", "2"]


async def test_of_two_applies_at_once_one_wins(
    pair: tuple[ServiceUnderTest, ServiceUnderTest],
) -> None:
    one, two = pair
    await one.apply(GATEWAY)
    await serves(two, 1)
    for number in range(1, 6):
        answers = await asyncio.gather(
            one.apply(with_body(5000 + number), number), two.apply(with_body(9000 + number), number)
        )
        assert min(answer.status for answer in answers) == 200
        (lost,) = [answer for answer in answers if answer.status != 200]
        assert lost.status in (409, 412)
        assert lost.body["code"] in (
            "configuration.revision-conflict",
            "configuration.precondition-failed",
        )
        agreed = await serves(one, number + 1)
        assert agreed == await serves(two, number + 1)
    history = (await one.ask("GET", MAIN + "/history")).body["items"]
    assert [item["number"] for item in history] == [6, 5, 4, 3, 2, 1]


async def test_servers_and_clients_are_one_distributed_cache_cluster(
    pair: tuple[ServiceUnderTest, ServiceUnderTest], tmp_path: Path
) -> None:
    one, two = pair
    await one.apply(GATEWAY)
    await serves(two, 1)

    def client(name: str, server: ServiceUnderTest) -> ConfigurationClient[GatewayConfig]:
        wire = HttpWire(server.base, ADMINISTRATOR, KEY)
        kept = tmp_path / f"{name}.json"
        return ConfigurationClient([wire], "gateway", "main", GatewayConfig, cache=kept)

    async def taken(_: Held[GatewayConfig]) -> None:
        """Take what the client holds as it is."""

    places = [(f"gw-{number}", pair[number % 2]) for number in range(4)]
    clients = [client(*place) for place in places]
    for each in clients:
        assert (await each.load()).revision.number == 1
    following = [asyncio.create_task(each.follow(taken)) for each in clients]

    async def all_hold(number: int) -> bool:
        held = [each.held.revision.number for each in clients if each.held is not None]
        return held == [number] * len(clients)

    # One server is told; every copy is of the new revision long before any poll.
    for number in range(1, 4):
        await pair[number % 2].apply(with_body(5000 + number), number)
        await until(partial(all_hold, number + 1), seconds=5)
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    for server in pair:
        await server.service.stop()
    # The copies outlive all servers, and restarts of those that hold them.
    for each, place in zip(clients, places, strict=True):
        await each.close()
        again = client(*place)
        kept = await again.load()
        assert (kept.fresh, kept.revision.number, kept.config.limits.max_body) == (False, 4, 5003)
        await again.close()


async def test_the_fleet_is_one_whichever_server_is_asked(
    pair: tuple[ServiceUnderTest, ServiceUnderTest],
) -> None:
    one, two = pair
    await one.ask("PUT", "/v1/fleet/gw-1", {"running": []})
    await two.ask("PUT", "/v1/fleet/gw-2", {"running": []})
    views = [(await server.ask("GET", "/v1/fleet")).body["items"] for server in pair]
    assert views[0] == views[1]
    assert [item["replica"] for item in views[0]] == ["gw-1", "gw-2"]


async def test_an_approval_of_one_server_holds_at_the_other(
    pair: tuple[ServiceUnderTest, ServiceUnderTest],
) -> None:
    one, two = pair
    await one.apply(GATEWAY)
    await serves(two, 1)
    wanted = with_body(5000)
    given = await one.ask("POST", MAIN + "/approvals", {"document": wanted})
    own = await two.apply(wanted, 1, approval=given.body["approval"])
    assert own.body["code"] == "configuration.approval-needed"


async def test_without_its_database_a_server_serves_on_and_applies_nothing(
    postgres: PostgresServer, pair: tuple[ServiceUnderTest, ServiceUnderTest]
) -> None:
    one, two = pair
    await one.apply(GATEWAY)
    before = await serves(two, 1)
    await postgres.stop()
    assert (await two.ask("GET", MAIN)).body == before
    applied = await two.apply(with_body(5000), 1)
    assert (applied.status, applied.body["code"]) == (503, "configuration.database-away")
    assert postgres.password not in str(applied.body)
    ready = await two.ask("GET", "/health/ready", by=None)
    assert (ready.status, ready.body["status"]) == (200, "degraded")
    await postgres.start()

    async def again() -> bool:
        return (await two.apply(with_body(5000), 1)).status == 200

    await until(again, seconds=30)
    assert (await serves(one, 2))["revision"]["actor"] == "citadel"


async def test_a_hung_database_does_not_hold_up_who_asks_for_health(
    postgres: PostgresServer, pair: tuple[ServiceUnderTest, ServiceUnderTest]
) -> None:
    one, _ = pair
    await one.apply(GATEWAY)
    postgres.hang()
    for _ in range(2):
        began = time.monotonic()
        ready = await one.ask("GET", "/health/ready", by=None)
        assert time.monotonic() - began < 1
        assert (ready.status, ready.body["status"]) == (200, "degraded")
        assert "no answer within" in str(ready.body)
    postgres.resume()


async def test_without_its_database_keys_go_on_and_sessions_do_not(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    settings = known(ada=("reader",))
    async with ServiceUnderTest(tmp_path, backend(postgres), settings=settings) as server:
        await server.apply(GATEWAY)
        password = {"password": "a long password of hers"}
        assert (await server.ask("PUT", "/v1/accounts/ada", password)).status == 204
        opened = await server.ask("POST", "/v1/sessions", {"name": "ada", **password}, by=None)
        token = {"Authorization": f"Bearer {opened.body['token']}"}
        assert (await server.ask("GET", MAIN, by=None, headers=token)).status == 200
        await postgres.stop()
        away = await server.ask("GET", MAIN, by=None, headers=token)
        assert (away.status, away.body["code"]) == (503, "configuration.database-away")
        login = await server.ask("POST", "/v1/sessions", {"name": "ada", **password}, by=None)
        assert login.status == 503
        assert (await server.ask("GET", MAIN, by="ada")).status == 200
        await postgres.start()
        assert (await server.ask("GET", MAIN, by=None, headers=token)).status == 200


async def test_a_missed_notification_is_made_good_by_the_next_poll(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    class Deaf(PostgresBackend):
        async def announce(self, key: object, number: int) -> None:
            raise DatabaseAwayError("lost")

    deaf = Deaf(backend(postgres)._database, "test")
    settings = {"timeouts": {"poll": 0.2}}
    async with (
        ServiceUnderTest(tmp_path / "one", deaf, settings=settings) as one,
        ServiceUnderTest(tmp_path / "two", backend(postgres), settings=settings) as two,
    ):
        assert (await one.apply(GATEWAY)).status == 200
        await serves(two, 1)


async def test_environments_of_one_database_do_not_meet(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    async with (
        ServiceUnderTest(tmp_path / "one", backend(postgres, "test")) as one,
        ServiceUnderTest(tmp_path / "two", backend(postgres, "test-2")) as two,
    ):
        await one.apply(GATEWAY)
        assert (await two.apply(with_body(5000))).body["revision"]["number"] == 1
        assert (await one.ask("GET", "/v1/documents")).body != (
            await two.ask("GET", "/v1/documents")
        ).body


async def _first(
    events: AsyncIterator[tuple[str, str]], number: int
) -> AsyncIterator[tuple[str, str]]:
    async for event in events:
        if event[0] == "revision":
            yield event
            number -= 1
            if not number:
                return


async def test_the_table_of_replicas_has_an_end(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_REPORT", shared._REPORT.replace(f"< {MOST}", "< 2"))
    one = backend(postgres)
    await one.check()
    for name in ("gw-1", "gw-2", "gw-1"):
        await one.fleet.report(Replica(name, "gw", (), datetime.now(UTC)))
    with pytest.raises(LimitReachedError, match="gw-3 is not kept"):
        await one.fleet.report(Replica("gw-3", "gw", (), datetime.now(UTC)))
    assert [found.name for found in await one.fleet.all()] == ["gw-1", "gw-2"]
