"""The contract of revision stores, over a real PostgreSQL."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from tests.unit.configuration.revisions.contract import Overwrite, RevisionContract
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.database import Database, DatabaseAwayError
from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.phases import Phase, ReloadError
from hxp_enterprise_llm.configuration.revisions import PostgresShelf, Revisions, Shelf
from hxp_enterprise_llm.configuration.revisions.postgres import TABLE
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.testing.postgres import PostgresServer

pytestmark = pytest.mark.feature("CL-06", "CM-02", "CH-03")


class TestPostgres(RevisionContract):
    @pytest.fixture
    def shelf(self, postgres: PostgresServer) -> PostgresShelf:
        return PostgresShelf(Database(postgres.dsn, postgres.password), "production")

    @pytest.fixture
    def other(self, postgres: PostgresServer) -> Shelf:
        return PostgresShelf(Database(postgres.dsn, postgres.password), "staging")

    @pytest.fixture
    def overwrite(self, shelf: PostgresShelf, postgres: PostgresServer) -> Overwrite:
        async def put(number: int, record: bytes | None) -> None:
            connection = await asyncpg.connect(postgres.dsn, password=postgres.password)
            where = (shelf.environment, number)
            of = "WHERE environment = $1 AND number = $2"
            if record is None:
                await connection.execute(f"DELETE FROM {TABLE} {of}", *where)
            else:
                await connection.execute(
                    f"UPDATE {TABLE} SET record = $3 {of}", *where, record.decode()
                )
            await connection.close()

        return put


async def test_servers_that_start_at_once_share_one_table(postgres: PostgresServer) -> None:
    databases = [Database(postgres.dsn, postgres.password) for _ in range(8)]
    stores = [Revisions(PostgresShelf(database, "a")) for database in databases]
    await asyncio.gather(*(store.append({}, actor="ann", reason="x") for store in stores))
    assert [item.number for item in await stores[0].history()] == list(range(8, 0, -1))


async def test_a_database_that_is_away_is_told_without_its_password(
    postgres: PostgresServer,
) -> None:
    store = Revisions(PostgresShelf(Database(postgres.dsn, "wrong-canary"), "a"))
    dsn = "postgresql://ann@127.0.0.1:1/none"
    away = Revisions(PostgresShelf(Database(dsn, "canary", timeout=1.0), "a"))
    for asked in (store.latest(), away.append({}, actor="ann", reason="x")):
        with pytest.raises(DatabaseAwayError, match="table configuration_revisions of a") as found:
            await asked
        assert "canary" not in str(found.value)


async def test_while_the_store_is_away_nothing_is_applied_and_the_old_serves(
    postgres: PostgresServer,
) -> None:
    source = MemorySource("file", {"level": 1})
    store = Revisions(PostgresShelf(Database(postgres.dsn, postgres.password, timeout=1.0), "a"))
    manager = ConfigurationManager(Sample, [source], store=store)
    before = await manager.load()
    await postgres.stop()
    source.update({"level": 2})
    with pytest.raises(ReloadError) as caught:
        await manager.reload(reason="to 2", actor="ann")
    assert caught.value.phase is Phase.RECORD
    assert isinstance(caught.value.cause, DatabaseAwayError)
    assert manager.snapshot is before
    assert not manager.health().ok
    # A start without the store serves the sources, and stores them once it is back.
    again = ConfigurationManager(Sample, [source], store=store)
    assert (await again.load()).config.level == 2
    await postgres.start()
    await again.noticed("poll")
    assert again.health().ok
    newest = await store.latest()
    assert newest is not None
    assert (newest.number, newest.document["level"]) == (2, 2)
