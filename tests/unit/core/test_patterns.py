"""The patterns that the library is built of, each by what it does where it is used."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.core.demo import QUICK, DemoConfig, DemoService

import hxp_enterprise_llm
from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.secrets.manager import SecretManager
from hxp_enterprise_llm.configuration.snapshot import Snapshot
from hxp_enterprise_llm.configuration.sources.arguments import ArgumentsSource
from hxp_enterprise_llm.configuration.sources.base import Source
from hxp_enterprise_llm.configuration.sources.files import FileSource
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.configuration.sources.variables import VariablesSource
from hxp_enterprise_llm.core import ServiceRegistry, VllmService
from hxp_enterprise_llm.core.exceptions import DependencyError
from hxp_enterprise_llm.core.lifecycle import State, Transition
from hxp_enterprise_llm.core.metrics import MetricsRegistry
from hxp_enterprise_llm.core.service import BaseService
from hxp_enterprise_llm.core.vllm_service import VllmConfig
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.testing.clock import Clock
from hxp_enterprise_llm.testing.fakes import FAKES, Fake
from hxp_enterprise_llm.testing.transport import TransportDouble
from hxp_enterprise_llm.utilities.http import HttpTransport

pytestmark = pytest.mark.feature("CO-11")

PACKAGE = Path(hxp_enterprise_llm.__path__[0])
# What serves: its event loop must never wait for a disk, a process or a socket.
SERVING = ("core", "utilities", "gateway", "configuration")
BLOCKING = {
    *("sleep", "read_text", "read_bytes", "write_text", "write_bytes", "urlopen"),
    *("check_call", "check_output", "Popen", "getaddrinfo", "create_connection", "open"),
}
SYNCHRONOUS = {"requests", "urllib.request", "http.client", "psycopg", "psycopg2", "redis"}


class Sized(CitadelModel):
    size: int = 1


def called_in_coroutines(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of what coroutines call and do not await."""

    def inside(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield child
                yield from inside(child)

    awaited = {one.value for one in ast.walk(tree) if isinstance(one, ast.Await)}
    for function in ast.walk(tree):
        if isinstance(function, ast.AsyncFunctionDef):
            for node in inside(function):
                if isinstance(node, ast.Call) and node not in awaited:
                    yield node.lineno, ast.unparse(node.func)


def blocking(tree: ast.AST) -> list[int]:
    return [
        line for line, name in called_in_coroutines(tree) if name.rpartition(".")[2] in BLOCKING
    ]


def test_asyncio_is_used_for_all_i_o() -> None:
    files = [file for part in SERVING for file in (PACKAGE / part).rglob("*.py")]
    assert len(files) > 150
    found = {}
    for file in files:
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not SYNCHRONOUS & set(names), file
        if lines := blocking(tree):
            found[str(file)] = lines
    assert found == {}


def test_a_coroutine_that_waits_for_a_disk_would_be_found() -> None:
    source = """
async def wrong(path):
    path.read_text()
    time.sleep(1)
async def right(path):
    await asyncio.sleep(1)
    await asyncio.to_thread(path.read_text)
    await asyncio.to_thread(lambda: path.read_text())
"""
    assert blocking(ast.parse(source)) == [3, 4]


async def test_while_one_server_is_silent_all_others_go_on() -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    address = "http://{}:{}".format(*server.sockets[0].getsockname())
    turns = 0

    async def others_work() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    working = asyncio.create_task(others_work())
    async with server:
        async with HttpTransport(address) as transport:
            with pytest.raises(DependencyError):
                await transport.get("/health", timeout=0.2)
        await gone.wait()
    working.cancel()
    assert turns > 20


def test_nothing_of_the_world_is_made_at_import() -> None:
    # A service, manager, registry or connection that a module held would be one for all: what is
    # needed comes through a constructor.
    kinds = (BaseService, ConfigurationManager, SecretManager, MetricsRegistry, ServiceRegistry)
    for found in pkgutil.walk_packages(hxp_enterprise_llm.__path__, "hxp_enterprise_llm."):
        if "__main__" not in found.name:
            module = importlib.import_module(found.name)
            held = [name for name, one in vars(module).items() if isinstance(one, kinds)]
            assert held == [], found.name


@pytest.mark.parametrize("kind", [VllmService, ConfigurationManager, SecretManager])
def test_time_and_transport_are_given_with_a_default(kind: type) -> None:
    given = inspect.signature(kind).parameters
    wanted = {"clock", "now", "transport", "monotonic"} & set(given)
    # Options that every service has stand in a typed dictionary.
    assert wanted or "options" in given
    assert all(given[name].default is not inspect.Parameter.empty for name in wanted)


async def test_dependency_injection_by_constructor_needs_no_patching() -> None:
    double, clock = engine("small"), Clock(0)
    service = VllmService(
        VllmConfig(url="http://192.0.2.1:1", models=("small",)),
        transport=lambda _: double,
        clock=clock,
        policy=QUICK,
    )
    clock.forward(41)
    async with service:
        assert (service.models, service.lifecycle.since) == (("small",), 41)
    assert set(double.asked) == {"/health", "/v1/models", "/metrics"}
    assert double.closed == 1


@pytest.mark.parametrize("fake", FAKES[:-1], ids=lambda fake: fake.interface.__name__)
def test_interfaces_are_clear_all_who_have_one_take_the_same(fake: Fake) -> None:
    words = {
        name: inspect.signature(one)
        for name, one in vars(fake.interface).items()
        if inspect.isfunction(one) and not name.startswith("_")
    }
    assert words
    for name, signature in words.items():
        own = inspect.signature(getattr(fake.fake, name))
        assert list(own.parameters) == list(signature.parameters), name
        assert inspect.iscoroutinefunction(getattr(fake.fake, name)) == (
            inspect.iscoroutinefunction(getattr(fake.interface, name))
        ), name


async def test_observers_are_told_of_each_change_until_they_leave() -> None:
    source, told = MemorySource("override", {"size": 2}), list[tuple[int, int]]()
    manager = ConfigurationManager(Sized, [source])
    await manager.load()

    async def subscriber(old: Snapshot[Sized] | None, new: Snapshot[Sized]) -> None:
        told.append((old.config.size if old else 0, new.config.size))

    leave = manager.subscribe(subscriber)
    for size in (3, 4):
        source.update({"size": size})
        await manager.reload(reason="test", actor="test")
    leave()
    source.update({"size": 5})
    await manager.reload(reason="test", actor="test")
    assert told == [(2, 3), (3, 4)]
    moves = list[Transition]()
    service = DemoService()
    stop_telling = service.lifecycle.observe(moves.append)
    async with service:
        stop_telling()
    assert [one.new for one in moves] == [State.STARTING, State.READY]


async def test_factories_make_services_by_kind() -> None:
    def make(name: str, config: DemoConfig, needs: Mapping[str, BaseService[Any]]) -> DemoService:
        made.append((name, config.steps, tuple(needs)))
        return DemoService(config, name=name)

    made = list[tuple[str, int, tuple[str, ...]]]()
    services = ServiceRegistry()
    services.register("demo", make)
    services.declare("router", "demo", DemoConfig(steps=1), needs=["store"])
    services.declare("store", "demo", DemoConfig(steps=2))
    async with services:
        health = await services.health()
    assert made == [("store", 2, ()), ("router", 1, ("store",))]
    assert {name: one.state for name, one in health.items()} == dict.fromkeys(
        ("store", "router"), State.READY
    )


@pytest.mark.parametrize("form", ["memory", "file", "variables", "arguments"])
async def test_strategies_sources_can_take_each_other_s_place(form: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("size: 7\n")
    sources: dict[str, Source] = {
        "memory": MemorySource("memory", {"size": 7}),
        "file": FileSource(file),
        "variables": VariablesSource("DEMO_", {"DEMO_SIZE": "7"}),
        "arguments": ArgumentsSource(["size=7"]),
    }
    manager = ConfigurationManager(Sized, [sources[form]])
    assert (await manager.load()).config == Sized(size=7)


@pytest.mark.parametrize(("attempts", "tries"), [(1, 1), (4, 4)])
async def test_strategies_a_policy_decides_how_a_service_tries_again(
    attempts: int, tries: int
) -> None:
    done = 0

    async def away() -> None:
        nonlocal done
        done += 1
        raise OSError("away")

    retry = QUICK.retry.model_copy(update={"attempts": attempts})
    service = DemoService(policy=QUICK.model_copy(update={"retry": retry}))
    with pytest.raises(OSError, match="away"):
        await service.retrier.call("ask", away, on=(OSError,))
    assert done == tries


def engine(*models: str) -> TransportDouble:
    listed = json.dumps({"data": [{"id": name} for name in models]}).encode()
    return TransportDouble({"/health": b"", "/v1/models": listed, "/metrics": b""})
