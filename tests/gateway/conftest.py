"""A real gateway process before a double of the engine, over real TCP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from hxp_enterprise_llm.testing.engine import EngineDouble
from hxp_enterprise_llm.testing.gateway import HEADERS, RunningGateway, running_gateway


@pytest.fixture
async def engine() -> AsyncIterator[EngineDouble]:
    async with EngineDouble() as double:
        yield double


@pytest.fixture
async def gateway(tmp_path: Path, engine: EngineDouble) -> AsyncIterator[RunningGateway]:
    limits = {"max_body": 100_000, "max_header_bytes": 8192, "max_headers": 32}
    async with running_gateway(tmp_path, {"tiny": [engine.address]}, limits=limits) as running:
        await running.ready()
        yield running


@pytest.fixture
async def client(gateway: RunningGateway) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(gateway.url, headers=HEADERS) as session:
        yield session
