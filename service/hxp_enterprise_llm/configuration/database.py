"""PostgreSQL that holds configuration: connections, tables, and the error when it is away.

One connection for a few statements: configuration is read seldom, and a connection that is kept
would have to be watched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hxp_enterprise_llm.core.exceptions import DependencyError

if TYPE_CHECKING:
    import asyncpg

# Any number will do, as long as it is the same in every process that makes a table.
_LOCK = 0x43495441


class DatabaseAwayError(DependencyError):
    """The database of configuration did not answer, or refused."""

    code = "configuration.database-away"


@dataclass(frozen=True)
class Database:
    """A database; several sources, shelves and tables may share one.

    Args:
        dsn: `postgresql://user@host:port/database`; the password comes from `password`.
        password: The account's password; no error shows it.
        timeout: Seconds for a connection, and for each statement.
    """

    dsn: str = field(repr=False)
    password: str | None = field(default=None, repr=False)
    timeout: float = 5.0
    _made: set[str] = field(default_factory=set, init=False, repr=False, compare=False)

    @asynccontextmanager
    async def connection(self, name: str, *, schema: str = "") -> AsyncIterator[asyncpg.Connection]:
        """Open a connection for a few statements.

        Args:
            name: What is asked for, in words, for errors: `table configuration_values of lab`.
            schema: Idempotent statements that make the tables; they run once a `Database`.

        Raises:
            DatabaseAwayError: The database did not answer, or refused.
        """
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
                await self._make(connection, schema)
                yield connection
            finally:
                # A hung server must not hold up whoever gave up on it.
                await connection.close(timeout=self.timeout)
        # The driver's texts may quote the address with a password in it.
        except asyncpg.PostgresError as error:
            raise DatabaseAwayError(
                f"{name}: the database refused ({type(error).__name__})",
                next_step="Check the account, its rights, and PostgreSQL's log.",
            ) from error
        except (OSError, TimeoutError, asyncpg.InterfaceError) as error:
            raise DatabaseAwayError(
                f"{name}: the database did not answer ({type(error).__name__})",
                next_step="Check that PostgreSQL runs, and its address and account.",
            ) from error

    async def _make(self, connection: asyncpg.Connection, schema: str) -> None:
        """Make tables where they are missing; several processes may do so at once."""
        if not schema or schema in self._made:
            return
        async with connection.transaction():
            # CREATE … IF NOT EXISTS of two sessions can still meet.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(schema)
        self._made.add(schema)
