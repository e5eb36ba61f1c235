"""Records as rows of PostgreSQL: what several servers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hxp_enterprise_llm.configuration.database import Database

if TYPE_CHECKING:
    import asyncpg

TABLE = "configuration_revisions"
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    environment text NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    record text NOT NULL,
    PRIMARY KEY (environment, number)
)
"""
_OF = f"FROM {TABLE} WHERE environment = $1"
_BELOW = f"{_OF} AND ($2::bigint IS NULL OR number < $2)"
_NEWEST = f"SELECT number, record {_BELOW} ORDER BY number DESC LIMIT 1"
_READ = f"SELECT record {_OF} AND number = $2"
_SPAN = f"SELECT number, record {_OF} AND number BETWEEN $2 AND $3 ORDER BY number"
_ADD = f"INSERT INTO {TABLE} (environment, number, record) VALUES ($1, $2, $3)"  # noqa: S608 - as above

_ASIDE = (
    f"UPDATE {TABLE} SET environment = $3 "  # noqa: S608 - as above
    "WHERE environment = $1 AND number = ANY($2::bigint[])"
)


@dataclass
class PostgresShelf:
    """Records of one environment.

    Args:
        database: Where the table is; it is made where it is missing.
        environment: Whose revisions.
    """

    database: Database
    environment: str

    @property
    def name(self) -> str:
        """Return `table configuration_revisions of ENVIRONMENT`."""
        return f"table {TABLE} of {self.environment}"

    async def newest(self, below: int | None = None) -> tuple[int, bytes] | None:
        """Return the record with the highest number."""
        async with self._connection() as connection:
            row = await connection.fetchrow(_NEWEST, self.environment, below)
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

    async def set_aside(self, numbers: Sequence[int], mark: str) -> str:
        """Give rows another environment: `damaged MARK: ENVIRONMENT`."""
        other = f"damaged {mark}: {self.environment}"
        async with self._connection() as connection:
            await connection.execute(_ASIDE, self.environment, list(numbers), other)
        return f"table {TABLE} of {other}"

    def _connection(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        return self.database.connection(self.name, schema=SCHEMA)
