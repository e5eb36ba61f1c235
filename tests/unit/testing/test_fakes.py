"""Each fake does what the real ones do: one contract over all of them."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from hxp_enterprise_llm.configuration.secrets.backends.base import Backend
from hxp_enterprise_llm.configuration.secrets.backends.memory import Memory
from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
from hxp_enterprise_llm.configuration.secrets.store import SealedStore
from hxp_enterprise_llm.configuration.security.accounts import (
    Accounts,
    FileAccounts,
    MemoryAccounts,
)
from hxp_enterprise_llm.configuration.sources.base import Source
from hxp_enterprise_llm.configuration.sources.files import FileSource
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.testing.clock import Clock
from hxp_enterprise_llm.testing.contracts import (
    AccountsContract,
    ClockContract,
    SecretBackendContract,
    SourceContract,
    TransportContract,
)
from hxp_enterprise_llm.testing.fakes import FAKES
from hxp_enterprise_llm.testing.transport import SILENT, TransportDouble
from hxp_enterprise_llm.utilities.http import HttpTransport, Transport

pytestmark = pytest.mark.feature("UT-08")


class InFolder:
    """Tests that write below a folder of their own."""

    @pytest.fixture(autouse=True)
    def _in_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path


class TestMemorySource(SourceContract):
    def make(self, data: Mapping[str, Any]) -> Source:
        return MemorySource("overrides", data)


class TestYamlSource(InFolder, SourceContract):
    def make(self, data: Mapping[str, Any]) -> Source:
        file = self.folder / "a.yaml"
        file.write_text(yaml.safe_dump(dict(data)))
        return FileSource(file)


class TestJsonSource(InFolder, SourceContract):
    def make(self, data: Mapping[str, Any]) -> Source:
        file = self.folder / "a.json"
        file.write_text(json.dumps(data))
        return FileSource(file)


class TestMemoryBackend(SecretBackendContract):
    def make(self) -> Backend:
        return Memory()


class TestSealedBackend(InFolder, SecretBackendContract):
    def make(self) -> Backend:
        (self.folder / "local").mkdir()
        return SealedFile(SealedStore(self.folder / "local"))


class TestMemoryAccounts(AccountsContract):
    def make(self) -> Accounts:
        return MemoryAccounts()


class TestFileAccounts(InFolder, AccountsContract):
    def make(self) -> Accounts:
        return FileAccounts(self.folder / "accounts.json")


class TestTransportDouble(TransportContract):
    @asynccontextmanager
    async def serving(self, bodies: Mapping[str, bytes]) -> AsyncIterator[Transport]:
        yield TransportDouble({**bodies, "/silent": SILENT})


class TestHttpTransport(TransportContract):
    @asynccontextmanager
    async def serving(self, bodies: Mapping[str, bytes]) -> AsyncIterator[Transport]:
        async def answer(request: web.Request) -> web.Response:
            if request.path == "/silent":
                await asyncio.Event().wait()
            if request.path not in bodies:
                raise web.HTTPNotFound
            return web.Response(body=bodies[request.path])

        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with HttpTransport(f"http://127.0.0.1:{runner.addresses[0][1]}") as transport:
            yield transport
        await runner.cleanup()


class TestClock(ClockContract):
    def make(self) -> Callable[[], float]:
        return Clock()


class TestMonotonic(ClockContract):
    def make(self) -> Callable[[], float]:
        return time.monotonic


@pytest.mark.parametrize("one", FAKES, ids=lambda one: one.fake.__name__)
def test_each_contract_holds_for_the_fake_and_for_something_real(one: Any) -> None:
    held = [
        inspect.getsource(kind)
        for kind in one.contract.__subclasses__()
        if kind.__name__ in globals()
    ]
    made = [text for text in held if f"{one.fake.__name__}(" in text.partition("):")[2]]
    assert len(made) == 1
    assert len(held) > len(made)


async def test_a_double_of_a_transport_tells_what_it_was_asked() -> None:
    double = TransportDouble({"/gone": ConnectionResetError("reset")})
    await double.get("/a", timeout=1)
    with pytest.raises(ConnectionResetError, match="reset"):
        await double.get("/gone", timeout=1)
    await double.close()
    assert (double.asked, double.closed) == (["/a", "/gone"], 1)


def test_a_contract_notices_a_fake_that_does_something_else() -> None:
    class Backwards(ClockContract):
        def make(self) -> Callable[[], float]:
            times = iter(range(100, 0, -1))
            return lambda: float(next(times))

    with pytest.raises(AssertionError, match="it went backwards"):
        Backwards().test_it_is_called_for_seconds_that_do_not_go_backwards()
