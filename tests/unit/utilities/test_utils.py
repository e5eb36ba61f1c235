"""The gathered common functions, and what makes work cheaper."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
from aiohttp import web

from hxp_enterprise_llm.testing.clock import Clock
from hxp_enterprise_llm.utilities import utils
from hxp_enterprise_llm.utilities.utils import HttpTransport, TtlCache, awaited

pytestmark = pytest.mark.feature("UT-11")


def test_each_is_the_one_that_stands_elsewhere() -> None:
    tree = ast.parse(Path(utils.__file__).read_text())
    found: dict[str, object] = {}
    for item in tree.body:
        if isinstance(item, ast.ImportFrom) and item.module and item.module != "__future__":
            module = importlib.import_module(item.module)
            found |= {name.name: getattr(module, name.name) for name in item.names}
    assert set(found) == set(utils.__all__)
    assert {"write_atomic", "run", "stream", "HttpTransport"} <= set(found)
    assert all(getattr(utils, name) is one for name, one in found.items())
    # Nothing is built here.
    assert not [item for item in tree.body if isinstance(item, ast.FunctionDef | ast.ClassDef)]


def test_a_cache_asks_once_for_all_that_is_missing_and_again_when_it_is_old() -> None:
    clock = Clock()
    cache: TtlCache[str, int] = TtlCache(30.0, entries=2, clock=clock)
    asked: list[tuple[str, ...]] = []

    def make(keys: tuple[str, ...]) -> dict[str, int]:
        asked.append(keys)
        return {key: len(key) for key in keys}

    for _ in range(10):
        assert cache.get_many(("a", "bb"), make) == {"a": 1, "bb": 2}
    assert asked == [("a", "bb")]
    assert cache.counts.hit_rate == 0.9
    clock.forward(30.0)
    cache.get_many(("a",), make)
    assert asked[1:] == [("a",)]


async def test_a_client_keeps_its_connection() -> None:
    peers = []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with HttpTransport(f"http://127.0.0.1:{runner.addresses[0][1]}") as transport:
        for _ in range(5):
            await transport.get("/", timeout=5)
    await runner.cleanup()
    assert len(peers) == 5
    assert len(set(peers)) == 1


def test_a_wait_ends_as_soon_as_it_can() -> None:
    clock, seen = Clock(), iter((0, 0, 7, 8))
    began = clock.now
    assert awaited(lambda: next(seen), seconds=60, pause=1, clock=clock, sleep=clock.forward) == 7
    assert clock.now - began == 2
