"""A real PostgreSQL server, shared by the tests of this folder; each has its own environment."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hxp_enterprise_llm.testing.postgres import PostgresServer


@pytest.fixture
async def postgres() -> AsyncIterator[PostgresServer]:
    async with PostgresServer() as server:
        yield server
