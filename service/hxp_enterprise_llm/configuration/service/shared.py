"""PostgreSQL that several servers share: revisions, news of them, and the fleet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hxp_enterprise_llm.configuration import database as databases
from hxp_enterprise_llm.configuration.database import DatabaseAwayError
from hxp_enterprise_llm.configuration.revisions import PostgresShelf, Shelf
from hxp_enterprise_llm.configuration.revisions.postgres import TABLE as REVISIONS
from hxp_enterprise_llm.configuration.service.backend import Heard
from hxp_enterprise_llm.configuration.service.fleet import MOST, Fleet, Replica, full
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey
from hxp_enterprise_llm.schemas.configuration_service import DatabaseStore, Running

if TYPE_CHECKING:
    import asyncpg

TABLE = "configuration_fleet"
CHANNEL = "citadel_configuration"
_LOCK = 0x43495453
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


@dataclass
class Database:
    """Connections to the database of one store.

    Args:
        store: Where it is.
        password: The account's password; never part of what errors show.
    """

    store: DatabaseStore
    password: str | None = field(default=None, repr=False)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Open a connection for a few statements.

        Raises:
            DatabaseAwayError: The database did not answer.
        """
        import asyncpg

        try:
            connection = await asyncpg.connect(
                dsn_of(self.store),
                password=self.password,
                timeout=self.store.timeout,
                command_timeout=self.store.timeout,
                server_settings={"application_name": "citadel-configuration"},
            )
            try:
                yield connection
            finally:
                await connection.close(timeout=self.store.timeout)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # The driver's text may quote the address with a password in it.
            raise DatabaseAwayError(
                f"the configuration database did not answer ({type(error).__name__})",
                next_step="Check that PostgreSQL runs, and its address and account.",
            ) from error


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
        self._ready = False
        self.fleet: Fleet = PostgresFleet(database, environment)

    def shelf(self, key: DocumentKey) -> Shelf:
        """Return where the revisions of a document lie."""
        store = self._database.store
        row = f"{self._environment}/{key}"
        database = databases.Database(dsn_of(store), self._database.password, store.timeout)
        return PostgresShelf(database, row)

    async def heads(self) -> dict[DocumentKey, int]:
        """Return the documents, with the numbers of their newest revisions."""
        await self._prepare()
        prefix = f"{self._environment}/"
        async with self._database.connection() as connection:
            rows = await connection.fetch(_HEADS, prefix)
        found = {DocumentKey.parse(row[0].removeprefix(prefix)): row[1] for row in rows}
        return {key: number for key, number in found.items() if key is not None}

    async def announce(self, key: DocumentKey, number: int) -> None:
        """Tell the other servers of a new revision."""
        async with self._database.connection() as connection:
            news = f"{self._environment}/{key} {number}"
            await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, news)

    async def listen(self, heard: Heard) -> None:
        """Call `heard` whenever another server told of something, until cancelled."""
        gone = asyncio.Event()
        async with self._database.connection() as connection:
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

    async def _prepare(self) -> None:
        if self._ready:
            return
        # A shelf makes the table of revisions with its first statement.
        await self.shelf(DocumentKey("none", "none")).newest()
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(_SCHEMA)
        self._ready = True


class PostgresFleet:
    """Reports in a table, whichever server heard them."""

    def __init__(self, database: Database, environment: str) -> None:
        self._database, self._environment = database, environment

    async def report(self, replica: Replica) -> None:
        """Keep a report."""
        running = json.dumps([one.model_dump() for one in replica.running])
        row = (self._environment, replica.name, replica.principal, running, replica.seen_at)
        async with self._database.connection() as connection:
            if await connection.execute(_REPORT, *row) == "INSERT 0 0":
                raise full(replica.name)

    async def all(self) -> tuple[Replica, ...]:
        """Return the last report of each replica."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_FLEET, self._environment)
        return tuple(_replica(row) for row in rows)

    async def forget(self, before: datetime) -> None:
        """Drop replicas that were seen last before a time."""
        async with self._database.connection() as connection:
            await connection.execute(_FORGET, self._environment, before)


def _replica(row: Any) -> Replica:
    running = tuple(Running.model_validate(one) for one in json.loads(row[2]))
    return Replica(row[0], row[1], running, row[3])
