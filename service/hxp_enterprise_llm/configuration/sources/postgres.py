"""PostgreSQL: one row a key, with who wrote it, why, and a revision that counts up.

Services share a database so: a row that one of them writes is what all of them read next.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hxp_enterprise_llm.configuration.database import Database
from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, KeyPath, Place, dotted
from hxp_enterprise_llm.configuration.sources.base import Layer, put

if TYPE_CHECKING:
    import asyncpg

TABLE = "configuration_values"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    environment text NOT NULL,
    path text[] NOT NULL CHECK (cardinality(path) > 0),
    value jsonb NOT NULL,
    revision bigint NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (environment, path)
);
CREATE SEQUENCE IF NOT EXISTS {TABLE}_revision;
"""
_READ = f"SELECT path, value, revision, actor FROM {TABLE} WHERE environment = $1 ORDER BY path"  # noqa: S608 - the table's name is a constant
_WRITE = f"""
INSERT INTO {TABLE} (environment, path, value, revision, actor, reason)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (environment, path) DO UPDATE
SET value = EXCLUDED.value, revision = EXCLUDED.revision, actor = EXCLUDED.actor,
    reason = EXCLUDED.reason, changed_at = now()
"""  # noqa: S608 - the table's name is a constant
_REMOVE = f"DELETE FROM {TABLE} WHERE environment = $1 AND path = $2"  # noqa: S608 - as above


@dataclass
class PostgresSource:
    """The rows of one environment.

    Args:
        database: Where the table is.
        environment: Whose rows.
    """

    database: Database
    environment: str
    watched: tuple[Path, ...] = field(default=(), init=False)

    @property
    def name(self) -> str:
        """Return `table configuration_values of ENVIRONMENT`."""
        return f"table {TABLE} of {self.environment}"

    async def prepare(self) -> None:
        """Make the table where it is missing; several processes may do so at once.

        Raises:
            DatabaseAwayError: The database did not answer.
        """
        async with self.database.connection(self.name, schema=_SCHEMA):
            pass

    async def read(self) -> Layer:
        """Return the rows.

        Raises:
            DatabaseAwayError: The database did not answer.
        """
        async with self._connection() as connection:
            rows = await connection.fetch(_READ, self.environment)
        return self._layer([(tuple(row[0]), row[1], row[2], row[3]) for row in rows])

    async def write(self, changes: Mapping[KeyPath, Any], *, actor: str, reason: str = "") -> int:
        """Write rows in one transaction; return their revision.

        Args:
            changes: Path → value, secrets as references; None takes a row away.
            actor: Who writes.
            reason: Why.

        Raises:
            DatabaseAwayError: The database did not answer; nothing was written.
        """
        async with self._connection() as connection, connection.transaction():
            revision: int = await connection.fetchval(f"SELECT nextval('{TABLE}_revision')")
            for path, value in changes.items():
                keys = [str(part) for part in path]
                if value is None:
                    await connection.execute(_REMOVE, self.environment, keys)
                    continue
                text = json.dumps(value)
                row = (self.environment, keys, text, revision, actor, reason)
                await connection.execute(_WRITE, *row)
        return revision

    def _layer(self, rows: list[tuple[KeyPath, str, int, str]]) -> Layer:
        data: dict[str, Any] = {}
        places: dict[KeyPath, Place] = {}
        problems: list[Diagnostic] = []
        # Rows are sorted: one that holds a section comes before those inside it.
        rows_above: set[KeyPath] = set()
        for line, (path, text, revision, actor) in enumerate(rows, start=1):
            label = f"table {TABLE}, environment {self.environment}, key {dotted(path)}"
            place = Place(Path(TABLE), line, 1, label, str(revision), actor)
            above = next((path[:n] for n in range(1, len(path)) if path[:n] in rows_above), None)
            if above is not None:
                message = f"the row of {dotted(above)} says the same key."
                problems.append(Diagnostic("C002", place, path, message, "Keep one of the two."))
                continue
            value = json.loads(text)
            put(data, places, path, value, place)
            rows_above.add(path)
        newest = max(rows, key=lambda row: row[2], default=None)
        return Layer(
            self.name,
            data,
            places,
            tuple(problems),
            revision=str(newest[2]) if newest else None,
            actor=newest[3] if newest else None,
        )

    def _connection(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        return self.database.connection(self.name)
