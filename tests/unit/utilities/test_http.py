"""The one HTTP client: whole answers in time or an error of ours; nothing followed or kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from hxp_enterprise_llm.core.exceptions import DependencyError
from hxp_enterprise_llm.utilities.http import HttpTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.feature("UT-11")


async def answer(request: web.Request) -> web.StreamResponse:
    what = request.match_info["what"]
    if what == "away":
        raise web.HTTPFound("/plain")
    if what == "slow":
        await asyncio.Event().wait()
    if what == "long":
        return web.Response(body=b"x" * (16 * 2**20 + 1))
    if what == "cut" and request.transport is not None:
        request.transport.abort()
    return web.Response(
        text=request.headers.get("x-request-id", "none") + request.headers.get("cookie", ""),
        headers={"Set-Cookie": "a=b", "X-Kind": "test"},
    )


@pytest.fixture
async def base() -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes([web.get("/{what}", answer)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_an_answer_comes_whole_and_no_cookie_is_kept(base: str) -> None:
    async with HttpTransport(base, headers={"x-request-id": "r-1"}) as transport:
        for _ in range(2):
            reply = await transport.get("/plain", timeout=5)
            assert (reply.status, reply.body, reply.headers["x-kind"]) == (200, b"r-1", "test")


async def test_a_redirect_is_an_answer_and_not_followed(base: str) -> None:
    async with HttpTransport(base) as transport:
        assert (await transport.get("/away", timeout=5)).status == 302


@pytest.mark.parametrize(
    ("path", "why"),
    [("/slow", "no answer within 0.2 s"), ("/cut", "disconnected"), ("/long", "longer than")],
)
async def test_no_whole_answer_is_an_error_that_names_the_request(
    base: str, path: str, why: str
) -> None:
    seconds = 0.2 if path == "/slow" else 20
    async with HttpTransport(base) as transport:
        with pytest.raises(DependencyError) as caught:
            await transport.get(path, timeout=seconds)
    assert f"GET {base}{path}: " in caught.value.message
    assert why in caught.value.message.lower()


async def test_a_server_that_is_away_is_named() -> None:
    async with HttpTransport("http://127.0.0.1:1") as transport:
        with pytest.raises(DependencyError, match=r"http://127\.0\.0\.1:1/x"):
            await transport.get("/x", timeout=5)


async def test_closing_twice_or_unused_is_fine(base: str) -> None:
    transport = HttpTransport(base)
    await transport.close()
    for _ in range(2):
        # After a close it is as new: the next request opens connections again.
        assert (await transport.get("/plain", timeout=5)).body == b"none"
        await transport.close()
    await transport.close()
