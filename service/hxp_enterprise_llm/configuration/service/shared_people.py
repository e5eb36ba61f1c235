"""Accounts, sessions and tries in PostgreSQL: a login at one server counts at all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hxp_enterprise_llm.configuration.database import Database
from hxp_enterprise_llm.configuration.security.accounts import Account
from hxp_enterprise_llm.configuration.security.sessions import Session

if TYPE_CHECKING:
    import asyncpg

ACCOUNTS, SESSIONS = "configuration_accounts", "configuration_sessions"
ATTEMPTS = "configuration_attempts"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS {ACCOUNTS} (
    environment text NOT NULL,
    name text NOT NULL,
    password_hash text,
    PRIMARY KEY (environment, name)
);
CREATE TABLE IF NOT EXISTS {SESSIONS} (
    environment text NOT NULL,
    digest text NOT NULL,
    principal text NOT NULL,
    made_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (environment, digest)
);
CREATE TABLE IF NOT EXISTS {ATTEMPTS} (
    environment text NOT NULL,
    name text NOT NULL,
    at timestamptz[] NOT NULL,
    PRIMARY KEY (environment, name)
)
"""
# The names of tables in these are constants.
_ACCOUNT = f"SELECT password_hash FROM {ACCOUNTS} WHERE environment = $1 AND name = $2"  # noqa: S608
_KEEP = f"""
INSERT INTO {ACCOUNTS} (environment, name, password_hash) VALUES ($1, $2, $3)
ON CONFLICT (environment, name) DO UPDATE SET password_hash = EXCLUDED.password_hash
"""  # noqa: S608
_UPGRADE = f"""
UPDATE {ACCOUNTS} SET password_hash = $4
WHERE environment = $1 AND name = $2 AND password_hash = $3
"""  # noqa: S608
_REMOVE = f"DELETE FROM {ACCOUNTS} WHERE environment = $1 AND name = $2"  # noqa: S608
_NAMES = f"""
SELECT name FROM {ACCOUNTS} WHERE environment = $1 AND password_hash IS NOT NULL
"""  # noqa: S608
_OPEN = f"""
INSERT INTO {SESSIONS} (environment, digest, principal, made_at, seen_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""  # noqa: S608
_ALL = f"""
SELECT digest, principal, made_at, seen_at, expires_at FROM {SESSIONS} WHERE environment = $1
"""  # noqa: S608
_ONE = f"{_ALL} AND digest = $2"
_OF = f"{_ALL} AND principal = $2 ORDER BY made_at"
# Clocks of servers differ: never an earlier time.
_TOUCH = f"""
UPDATE {SESSIONS} SET seen_at = greatest(seen_at, $3) WHERE environment = $1 AND digest = $2
"""  # noqa: S608
_END = f"DELETE FROM {SESSIONS} WHERE environment = $1 AND digest = ANY($2::text[])"  # noqa: S608
# One statement locks the row: of two servers that count at once the second waits for the first.
_BEGIN = f"""
INSERT INTO {ATTEMPTS} AS kept (environment, name, at) VALUES ($1, $2, ARRAY[$3::timestamptz])
ON CONFLICT (environment, name) DO UPDATE
SET at = array(SELECT one FROM unnest(kept.at) one WHERE one > $4) || $3::timestamptz
WHERE (SELECT count(*) FROM unnest(kept.at) one WHERE one > $4) < $5
"""  # noqa: S608
_FORGET = f"DELETE FROM {ATTEMPTS} WHERE environment = $1 AND name = $2"  # noqa: S608


@dataclass(frozen=True)
class _Table:
    """Rows of one environment.

    Args:
        database: Where.
        environment: Whose.
    """

    database: Database
    environment: str

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        name = f"accounts and sessions of {self.environment}"
        async with self.database.connection(name, schema=_SCHEMA) as connection:
            yield connection

    async def _run(self, statement: str, *values: Any) -> int:
        """Run a statement; return how many rows it touched."""
        async with self._connection() as connection:
            done: str = await connection.execute(statement, self.environment, *values)
        return int(done.rpartition(" ")[2])

    async def _rows(self, statement: str, *values: Any) -> list[Any]:
        async with self._connection() as connection:
            return list(await connection.fetch(statement, self.environment, *values))


class AccountTable(_Table):
    """Accounts in a table."""

    async def get(self, name: str) -> Account | None:
        """Return somebody's account."""
        found = await self._rows(_ACCOUNT, name)
        return Account(id=name, password_hash=found[0][0]) if found else None

    async def put(self, account: Account) -> None:
        """Keep an account."""
        await self._run(_KEEP, account.id, account.password_hash)

    async def upgrade(self, name: str, old: str, new: str) -> None:
        """Put a newer hash in the place of an older one."""
        await self._run(_UPGRADE, name, old, new)

    async def remove(self, name: str) -> bool:
        """Forget an account."""
        return await self._run(_REMOVE, name) > 0

    async def names(self) -> tuple[str, ...]:
        """Return whose accounts have a password."""
        return tuple(sorted(row[0] for row in await self._rows(_NAMES)))


class SessionTable(_Table):
    """Sessions in a table."""

    async def put(self, session: Session) -> None:
        """Keep a session."""
        times = (session.made_at, session.seen_at, session.expires_at)
        await self._run(_OPEN, session.digest, session.principal, *times)

    async def touch(self, digest: str, seen_at: datetime) -> None:
        """Note when a session was used."""
        await self._run(_TOUCH, digest, seen_at)

    async def get(self, digest: str) -> Session | None:
        """Return a session."""
        found = await self._rows(_ONE, digest)
        return Session(*found[0]) if found else None

    async def remove(self, *digests: str) -> None:
        """Forget sessions."""
        if digests:
            await self._run(_END, list(digests))

    async def of(self, principal: str) -> tuple[Session, ...]:
        """Return the sessions of one principal, oldest first."""
        return tuple(Session(*row) for row in await self._rows(_OF, principal))

    async def all(self) -> tuple[Session, ...]:
        """Return all sessions."""
        return tuple(Session(*row) for row in await self._rows(_ALL))


class AttemptTable(_Table):
    """Tries in a table."""

    async def begin(self, name: str, now: datetime, since: datetime, most: int) -> bool:
        """Keep a try, unless there are too many."""
        return await self._run(_BEGIN, name, now, since, most) > 0

    async def forget(self, name: str) -> None:
        """Forget the tries of an account."""
        await self._run(_FORGET, name)
