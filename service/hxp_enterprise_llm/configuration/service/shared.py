"""PostgreSQL that several servers share: revisions, news of them, and the fleet."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hxp_enterprise_llm.configuration.database import Database
from hxp_enterprise_llm.configuration.revisions import PostgresShelf, Shelf
from hxp_enterprise_llm.configuration.revisions.postgres import SCHEMA
from hxp_enterprise_llm.configuration.revisions.postgres import TABLE as REVISIONS
from hxp_enterprise_llm.configuration.service.backend import Heard, People
from hxp_enterprise_llm.configuration.service.fleet import MOST, Fleet, Replica, full
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey
from hxp_enterprise_llm.configuration.service.shared_people import (
    AccountTable,
    AttemptTable,
    SessionTable,
)
from hxp_enterprise_llm.schemas.configuration_service import DatabaseStore, Running

if TYPE_CHECKING:
    import asyncpg

TABLE = "configuration_fleet"
CHANNEL = "citadel_configuration"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    environment text NOT NULL,
    replica text NOT NULL,
    principal text NOT NULL,
    running jsonb NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (environment, replica)
)
"""
_HEADS = f"""
SELECT environment, max(number) FROM {REVISIONS}
WHERE starts_with(environment, $1) GROUP BY environment
"""  # noqa: S608 - the table's name is a constant
_REPORT = f"""
INSERT INTO {TABLE} (environment, replica, principal, running, seen_at)
SELECT $1, $2, $3, $4, $5
WHERE EXISTS (SELECT 1 FROM {TABLE} WHERE environment = $1 AND replica = $2)
OR (SELECT count(*) FROM {TABLE} WHERE environment = $1) < {MOST}
ON CONFLICT (environment, replica) DO UPDATE
SET principal = EXCLUDED.principal, running = EXCLUDED.running, seen_at = EXCLUDED.seen_at
"""  # noqa: S608 - the table's name is a constant
_FLEET = f"""
SELECT replica, principal, running, seen_at FROM {TABLE} WHERE environment = $1 ORDER BY replica
"""  # noqa: S608 - the table's name is a constant
_FORGET = f"DELETE FROM {TABLE} WHERE environment = $1 AND seen_at < $2"  # noqa: S608 - as above
_ALIVE = 30.0
"""Seconds between two questions whether the listening connection still stands."""


def dsn_of(store: DatabaseStore) -> str:
    """Return the address for asyncpg, without the password."""
    if store.host.startswith("/"):
        return f"postgresql://{store.user}@/{store.database}?host={store.host}&port={store.port}"
    return f"postgresql://{store.user}@{store.host}:{store.port}/{store.database}"


def database_of(store: DatabaseStore, password: str | None) -> Database:
    """Return the database of a store."""
    return Database(dsn_of(store), password, store.timeout)


class PostgresBackend:
    """Revisions in PostgreSQL; a revision that one server applies, all others hear of.

    News come by NOTIFY; whoever missed one finds it with the next poll.

    Args:
        database: Where.
        environment: Whose documents.
    """

    shared = True

    def __init__(self, database: Database, environment: str) -> None:
        self._database, self._environment = database, environment
        self.fleet: Fleet = PostgresFleet(database, environment)

    def shelf(self, key: DocumentKey) -> Shelf:
        """Return where the revisions of a document lie."""
        return PostgresShelf(self._database, f"{self._environment}/{key}")

    def people(self, state: Path) -> People:  # noqa: ARG002 # nothing is this server's own
        """Return tables of accounts, sessions and tries."""
        table = (self._database, self._environment)
        return People(AccountTable(*table), SessionTable(*table), AttemptTable(*table))

    async def heads(self) -> dict[DocumentKey, int]:
        """Return the documents, with the numbers of their newest revisions."""
        prefix = f"{self._environment}/"
        async with self._database.connection(f"table {REVISIONS}", schema=SCHEMA) as connection:
            rows = await connection.fetch(_HEADS, prefix)
        found = {DocumentKey.parse(row[0].removeprefix(prefix)): row[1] for row in rows}
        return {key: number for key, number in found.items() if key is not None}

    async def announce(self, key: DocumentKey, number: int) -> None:
        """Tell the other servers of a new revision."""
        async with self._database.connection("the channel of news") as connection:
            news = f"{self._environment}/{key} {number}"
            await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, news)

    async def listen(self, heard: Heard) -> None:
        """Call `heard` whenever another server told of something, until cancelled."""
        gone = asyncio.Event()
        async with self._database.connection("the channel of news") as connection:
            connection.add_termination_listener(lambda _: gone.set())
            await connection.add_listener(CHANNEL, lambda *_: heard())
            # What came before the listener stood is found now.
            heard()
            while not gone.is_set():
                try:
                    async with asyncio.timeout(_ALIVE):
                        await gone.wait()
                except TimeoutError:
                    await connection.execute("SELECT 1")
            raise ConnectionError("the connection was closed")

    async def check(self) -> str:
        """Pass while revisions can be read."""
        return f"{len(await self.heads())} documents"


class PostgresFleet:
    """Reports in a table, whichever server heard them."""

    def __init__(self, database: Database, environment: str) -> None:
        self._database, self._environment = database, environment

    async def report(self, replica: Replica) -> None:
        """Keep a report."""
        running = json.dumps([one.model_dump() for one in replica.running])
        row = (self._environment, replica.name, replica.principal, running, replica.seen_at)
        async with self._connection() as connection:
            if await connection.execute(_REPORT, *row) == "INSERT 0 0":
                raise full(replica.name)

    async def all(self) -> tuple[Replica, ...]:
        """Return the last report of each replica."""
        async with self._connection() as connection:
            rows = await connection.fetch(_FLEET, self._environment)
        return tuple(_replica(row) for row in rows)

    async def forget(self, before: datetime) -> None:
        """Drop replicas that were seen last before a time."""
        async with self._connection() as connection:
            await connection.execute(_FORGET, self._environment, before)

    def _connection(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        return self._database.connection(f"table {TABLE}", schema=_SCHEMA)


def _replica(row: Any) -> Replica:
    running = tuple(Running.model_validate(one) for one in json.loads(row[2]))
    return Replica(row[0], row[1], running, row[3])
