"""The contract of revision stores, over a real PostgreSQL."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from tests.unit.configuration.revisions.contract import Overwrite, RevisionContract

from hxp_enterprise_llm.configuration.database import Database, DatabaseAwayError
from hxp_enterprise_llm.configuration.revisions import PostgresShelf, Revisions, Shelf
from hxp_enterprise_llm.configuration.revisions.postgres import TABLE
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
