"""Records as rows of PostgreSQL: what several servers share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hxp_enterprise_llm.configuration.sources.postgres import DatabaseAwayError

if TYPE_CHECKING:
    import asyncpg

TABLE = "configuration_revisions"
# Any number will do, as long as it is the same in every process that makes the table.
_LOCK = 0x43495452
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    environment text NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    record text NOT NULL,
    PRIMARY KEY (environment, number)
)
"""
_OF = f"FROM {TABLE} WHERE environment = $1"
_NEWEST = f"SELECT number, record {_OF} ORDER BY number DESC LIMIT 1"
_READ = f"SELECT record {_OF} AND number = $2"
_SPAN = f"SELECT number, record {_OF} AND number BETWEEN $2 AND $3 ORDER BY number"
_ADD = f"INSERT INTO {TABLE} (environment, number, record) VALUES ($1, $2, $3)"  # noqa: S608 - as above


@dataclass
class PostgresShelf:
    """Records of one environment.

    Args:
        dsn: `postgresql://user@host:port/database`; the password comes from `password`.
        environment: Whose revisions.
        password: The password; never part of `dsn`, which errors may show.
        timeout: Seconds for a connection, and for each statement.
    """

    dsn: str
    environment: str
    password: str | None = field(default=None, repr=False)
    timeout: float = 5.0
    _prepared: bool = field(default=False, init=False, repr=False)

    @property
    def name(self) -> str:
        """Return `table configuration_revisions of ENVIRONMENT`."""
        return f"table {TABLE} of {self.environment}"

    async def newest(self) -> tuple[int, bytes] | None:
        """Return the record with the highest number."""
        async with self._connection() as connection:
            row = await connection.fetchrow(_NEWEST, self.environment)
        return (row[0], row[1].encode()) if row is not None else None

    async def read(self, number: int) -> bytes | None:
        """Return a record."""
        async with self._connection() as connection:
            text: str | None = await connection.fetchval(_READ, self.environment, number)
        return text.encode() if text is not None else None

    async def span(self, first: int, last: int) -> dict[int, bytes]:
        """Return the records from one number to another."""
        async with self._connection() as connection:
            rows = await connection.fetch(_SPAN, self.environment, first, last)
        return {row[0]: row[1].encode() for row in rows}

    async def add(self, records: Mapping[int, bytes]) -> bool:
        """Add records in one transaction."""
        import asyncpg

        rows = [(self.environment, number, text.decode()) for number, text in records.items()]
        async with self._connection() as connection:
            try:
                async with connection.transaction():
                    await connection.executemany(_ADD, rows)
            except asyncpg.UniqueViolationError:
                return False
        return True

    async def _prepare(self, connection: asyncpg.Connection) -> None:
        """Make the table where it is missing; several processes may do so at once."""
        async with connection.transaction():
            # CREATE … IF NOT EXISTS of two sessions can still meet.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(_SCHEMA)
        self._prepared = True

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        import asyncpg

        try:
            connection = await asyncpg.connect(
                self.dsn,
                password=self.password,
                timeout=self.timeout,
                command_timeout=self.timeout,
                server_settings={"application_name": "citadel-configuration"},
            )
            try:
                if not self._prepared:
                    await self._prepare(connection)
                yield connection
            finally:
                # A hung server must not hold up whoever gave up on it.
                await connection.close(timeout=self.timeout)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # The driver's text may quote the address with a password in it.
            raise DatabaseAwayError(
                f"{self.name}: the database did not answer ({type(error).__name__})",
                next_step="Check that PostgreSQL runs, and its address and account.",
            ) from error
