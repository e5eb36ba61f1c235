"""A service outside: connection, retry, breaker, ping, validation; away and back by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Unpack

import pytest
from tests.unit.core.demo import QUICK, others

from hxp_enterprise_llm.core import BaseIntegrationService
from hxp_enterprise_llm.core.exceptions import (
    BreakerOpenError,
    DependencyError,
    InvalidConfigurationError,
)
from hxp_enterprise_llm.core.health import Verdict
from hxp_enterprise_llm.core.integration_service import ConnectionPolicy
from hxp_enterprise_llm.core.lifecycle import State
from hxp_enterprise_llm.core.service import ServiceOptions
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.testing.matchers import metric
from hxp_enterprise_llm.testing.waiting import until
from hxp_enterprise_llm.utilities.breaker import BreakerPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.feature("CO-08")

WATCH = ConnectionPolicy(ping_interval=0.005, ping_timeout=1, connect_timeout=1)


class StoreConfig(CitadelModel):
    host: str = "data-1"
    pool: int = 2


class Server:
    """The other side: may be away; counts who is connected."""

    def __init__(self) -> None:
        self.up = True
        self.open: set[int] = set()
        self.opened = 0
        self.hold: asyncio.Event | None = None


class StoreService(BaseIntegrationService[StoreConfig, int]):
    def __init__(
        self,
        server: Server,
        config: StoreConfig | None = None,
        *,
        connection: ConnectionPolicy = WATCH,
        **options: Unpack[ServiceOptions],
    ) -> None:
        options.setdefault("policy", QUICK)
        super().__init__(config or StoreConfig(), connection=connection, **options)
        self.server = server

    def validate(self, config: StoreConfig) -> None:
        if config.pool > 100:
            raise InvalidConfigurationError(
                "pool is 101, and the server takes 100", next_step="Write pool: 100 or less."
            )

    async def connect(self, config: StoreConfig) -> int:
        self.reach()
        self.server.opened += 1
        self.server.open.add(self.server.opened)
        return self.server.opened

    async def ping(self, connection: int) -> None:
        await asyncio.sleep(0)
        self.reach()
        if connection not in self.server.open:
            raise ConnectionResetError(f"connection {connection} is closed")

    async def disconnect(self, connection: int) -> None:
        await asyncio.sleep(0)
        self.server.open.discard(connection)

    async def read(self, connection: int) -> int:
        if self.server.hold is not None:
            await self.server.hold.wait()
        await self.ping(connection)
        return connection

    def reach(self) -> None:
        if not self.server.up:
            raise ConnectionRefusedError("port 5432 is closed")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def store(server: Server) -> AsyncIterator[StoreService]:
    async with StoreService(server) as service:
        yield service


async def closed(server: Server, connection: int) -> bool:
    return connection not in server.open


async def becomes(service: StoreService, *states: State) -> None:
    async with asyncio.timeout(5):
        await service.lifecycle.wait_for(*states)


async def test_it_connects_calls_and_closes(server: Server) -> None:
    async with StoreService(server) as store:
        assert store.state is State.READY
        assert await store.call(store.read) == 1
        health = await store.health()
        assert [(one.name, one.verdict) for one in health.checks] == [
            ("connection", Verdict.HEALTHY)
        ]
    assert not server.open
    assert not others()


async def test_starting_tries_again_and_then_says_what_is_away(server: Server) -> None:
    server.up = False
    store = StoreService(server)
    with pytest.raises(DependencyError, match=r"store is away: .*port 5432 is closed") as caught:
        await store.start()
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert store.state is State.STOPPED
    labels = {"service": "store", "operation": "connect"}
    assert metric(store.metrics.registry, "citadel_service_retries_total", labels) == 2


async def test_where_it_is_not_required_it_starts_degraded_and_connects_later(
    server: Server,
) -> None:
    server.up = False
    policy = WATCH.model_copy(update={"required": False})
    async with StoreService(server, connection=policy) as store:
        assert store.state is State.DEGRADED
        assert "port 5432 is closed" in store.causes["connection"]
        with pytest.raises(DependencyError, match="store is not connected: store is away"):
            await store.call(store.read)
        assert (await store.health()).verdict is Verdict.UNHEALTHY
        server.up = True
        await becomes(store, State.READY)
        assert await store.call(store.read) == 1


@pytest.mark.feature("UT-07")
async def test_a_lost_connection_is_noticed_closed_and_made_anew(
    server: Server, store: StoreService
) -> None:
    server.up = False
    await becomes(store, State.DEGRADED)
    assert "port 5432 is closed" in store.causes["connection"]
    server.up = True
    await becomes(store, State.READY)
    assert await store.call(store.read) == 2
    assert server.open == {2}


async def test_a_call_that_fails_has_the_connection_checked_at_once(server: Server) -> None:
    policy = WATCH.model_copy(update={"ping_interval": 3600})
    async with StoreService(server, connection=policy) as store:
        server.open.clear()
        with pytest.raises(DependencyError, match="connection 1 is closed") as caught:
            await store.call(store.read)
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        await becomes(store, State.DEGRADED)
        await becomes(store, State.READY)
        assert await store.call(store.read) == 2


async def test_a_call_that_is_safe_to_repeat_is_repeated(
    server: Server, store: StoreService
) -> None:
    tries = 0

    async def flaky(connection: int) -> str:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise TimeoutError
        return f"row of {connection}"

    assert await store.call(flaky, name="read", repeat=True) == "row of 1"
    tries = 0
    with pytest.raises(DependencyError, match="no answer in time"):
        await store.call(flaky)


async def test_an_error_of_ours_is_no_failure_of_the_connection(store: StoreService) -> None:
    async def wrong(_: int) -> None:
        raise ValueError("no such column")

    for _ in range(50):
        with pytest.raises(ValueError, match="no such column"):
            await store.call(wrong, repeat=True)
    assert store.state is State.READY
    assert await store.call(store.read) == 1


async def test_the_breaker_holds_calls_back_and_a_good_connection_resets_it(
    server: Server,
) -> None:
    policy = QUICK.model_copy(update={"breaker": BreakerPolicy(calls=3, pause=3600)})
    watch = WATCH.model_copy(update={"ping_interval": 3600})
    async with StoreService(server, connection=watch, policy=policy) as store:

        async def fail(_: int) -> None:
            raise TimeoutError

        for _ in range(3):
            with pytest.raises(DependencyError):
                await store.call(fail)
        # The calls have the connection pinged, and it is gone.
        server.open.clear()
        with pytest.raises(BreakerOpenError):
            await store.call(store.read, repeat=True)
        await becomes(store, State.DEGRADED)
        await becomes(store, State.READY)
        assert await store.call(store.read) == 2


async def test_a_configuration_that_cannot_work_is_refused_before_connecting(
    server: Server,
) -> None:
    store = StoreService(server, StoreConfig(pool=101))
    with pytest.raises(InvalidConfigurationError, match="the server takes 100"):
        await store.start()
    assert server.opened == 0


async def test_a_reload_connects_first_and_lets_operations_end(server: Server) -> None:
    async with StoreService(server) as store:
        server.hold = asyncio.Event()
        reading = asyncio.create_task(store.call(store.read))
        await asyncio.sleep(0)
        await store.reload(StoreConfig(pool=3))
        server_hold, server.hold = server.hold, None
        assert await store.call(store.read) == 2
        assert server.open == {1, 2}
        server_hold.set()
        assert await reading == 1
        await until(lambda: closed(server, 1))


async def test_a_reload_that_cannot_work_leaves_the_connection(
    server: Server, store: StoreService
) -> None:
    with pytest.raises(InvalidConfigurationError):
        await store.reload(StoreConfig(pool=101))
    assert store.config.pool == 2
    await store.abandon(await store.prepare(StoreConfig(pool=3)))
    assert server.open == {1}
    async with asyncio.timeout(5):
        assert await store.call(store.read) == 1


async def test_a_reload_while_it_is_away_is_refused(server: Server, store: StoreService) -> None:
    server.up = False
    await becomes(store, State.DEGRADED)
    with pytest.raises(DependencyError):
        await store.reload(StoreConfig(pool=3))
    server.up = True
    await becomes(store, State.READY)


async def test_stopping_waits_for_operations(server: Server) -> None:
    store = StoreService(server)
    await store.start()
    server.hold = asyncio.Event()
    reading = asyncio.create_task(store.call(store.read))
    await asyncio.sleep(0)
    stopping = asyncio.create_task(store.stop())
    await becomes(store, State.DRAINING)
    assert server.open == {1}
    server.hold.set()
    assert await reading == 1
    await stopping
    assert not server.open


async def test_a_connection_that_answers_no_ping_is_closed_and_cancelled_starts_leave_none(
    server: Server,
) -> None:
    class Mute(StoreService):
        async def ping(self, connection: int) -> None:
            await asyncio.Event().wait()

    mute = Mute(server, connection=WATCH.model_copy(update={"connect_timeout": 0.01}))
    with pytest.raises(DependencyError, match="no answer in time"):
        await mute.start()
    assert (server.opened, server.open) == (3, set())
    for after in range(12):
        store = StoreService(server)
        starting = asyncio.create_task(store.start())
        for _ in range(after):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait([starting])
        await store.stop()
        assert not server.open
        assert not others()


async def test_a_connection_that_does_not_close_is_reported_only(server: Server) -> None:
    class Stuck(StoreService):
        async def disconnect(self, connection: int) -> None:
            await super().disconnect(connection)
            raise OSError("already gone")

    async with Stuck(server) as store:
        pass
    labels = {"service": "stuck", "code": "citadel.unexpected", "handling": "reported"}
    assert metric(store.metrics.registry, "citadel_service_faults_total", labels) == 1


async def test_an_error_of_the_service_outside_keeps_its_own_words(server: Server) -> None:
    class Sealed(StoreService):
        async def connect(self, config: StoreConfig) -> int:
            raise DependencyError("the vault is sealed", next_step="Unseal it.")

    with pytest.raises(DependencyError, match=r"^the vault is sealed\n  Unseal it"):
        await Sealed(server).start()


async def test_a_reload_that_is_faster_than_the_reconnection_wins(server: Server) -> None:
    held = asyncio.Event()

    class Slow(StoreService):
        async def connect(self, config: StoreConfig) -> int:
            if config.host == "data-1" and self.server.opened:
                self.reach()
                await held.wait()
            return await super().connect(config)

    async with Slow(server) as store:
        server.up = False
        await becomes(store, State.DEGRADED)
        server.up = True
        prepared = await store.prepare(StoreConfig(host="data-2"))
        store.commit(prepared)
        held.set()
        assert await store.call(store.read) == 2
        await until(lambda: closed(server, 3))
        assert server.open == {2}
        assert store.state is State.READY


async def test_it_stops_while_it_is_away_and_waits_for_all_who_use_it(server: Server) -> None:
    server.up = False
    policy = WATCH.model_copy(update={"required": False})
    async with StoreService(server, connection=policy) as away:
        pass
    assert away.state is State.STOPPED
    server.up = True
    async with StoreService(server) as store:
        server.hold = asyncio.Event()
        reads = [asyncio.create_task(store.call(store.read)) for _ in range(2)]
        await asyncio.sleep(0)
        server.hold.set()
        assert await asyncio.gather(*reads) == [1, 1]


def test_its_policy_is_a_model_with_defaults() -> None:
    assert ConnectionPolicy().model_dump() == {
        "connect_timeout": 10.0,
        "ping_interval": 15.0,
        "ping_timeout": 5.0,
        "required": True,
    }
