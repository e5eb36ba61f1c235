"""What the bases cost beside bare asyncio and pydantic, in processor time: load does not count.

Bars are several times what is measured, so that only a real loss fails.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import resource
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.core import BaseInfrastructureService, BaseIntegrationService
from hxp_enterprise_llm.core.metrics import MetricsRegistry
from hxp_enterprise_llm.core.service import ServiceOptions
from hxp_enterprise_llm.orchestration.artifacts.digests import service_files
from hxp_enterprise_llm.orchestration.resolvers import resolve
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.testing.factories import HOSTS, MODELS, context
from hxp_enterprise_llm.testing.performance import allocated, compared
from hxp_enterprise_llm.utilities import correlation
from hxp_enterprise_llm.utilities.breaker import Breaker, BreakerPolicy
from hxp_enterprise_llm.utilities.redaction import Redactor
from hxp_enterprise_llm.utilities.retry import Retrier, RetryPolicy

pytestmark = pytest.mark.feature("CO-14")

ROOT = Path(__file__).resolve().parents[3]
MICROSECONDS = 1e6


class Plain(CitadelModel):
    size: int = 1


class Silence:
    """A logger that keeps nothing; pytest's keeps every record."""

    def info(self, event: str, **fields: Any) -> None:
        """Say nothing."""

    debug = warning = error = exception = info

    def bind(self, **_: Any) -> Silence:
        return self


class Quiet(BaseInfrastructureService[Plain]):
    async def on_start(self, resources: AsyncExitStack) -> None:
        resources.callback(int)


class Near(BaseIntegrationService[Plain, int]):
    async def connect(self, config: Plain) -> int:
        return config.size

    async def ping(self, connection: int) -> None:
        """It is always there."""

    async def disconnect(self, connection: int) -> None:
        """Nothing to close."""


async def cost(act: Callable[[], Awaitable[object]], runs: int) -> float:
    """Return the microseconds of processor time of one run: the least of three rounds."""
    await act()
    rounds = []
    for _ in range(3):
        began = time.process_time()
        for _ in range(runs):
            await act()
        rounds.append((time.process_time() - began) / runs * MICROSECONDS)
    return min(rounds)


async def bare() -> None:
    """Start and stop what a service is at least: a task that holds a resource."""
    ready, stop = asyncio.Event(), asyncio.Event()

    async def main() -> None:
        async with AsyncExitStack() as resources:
            resources.callback(int)
            ready.set()
            await stop.wait()

    task = asyncio.create_task(main())
    await ready.wait()
    stop.set()
    await task


async def test_a_life_of_a_service_costs_at_most_a_millisecond_more_than_a_bare_task() -> None:
    metrics = MetricsRegistry()

    async def life() -> None:
        async with Quiet(Plain(), metrics=metrics):
            pass

    assert await cost(life, 200) - await cost(bare, 200) < 1000


async def test_a_call_through_the_base_costs_at_most_fifty_microseconds_more_than_a_bare_one() -> (
    None
):
    async def operation(connection: int) -> int:
        return connection

    async with Near(Plain()) as near:
        through = await cost(lambda: near.call(operation), 2000)
    assert through - await cost(lambda: operation(1), 2000) < 50


def test_what_a_service_is_asked_often_costs_a_property_and_no_more() -> None:
    service = Quiet(Plain())
    for read in (lambda: service.config, lambda: service.log, lambda: service.series):
        read()
        assert allocated(lambda read=read: [read() for _ in range(100)]) < 4096  # type: ignore[misc]


def test_our_models_are_checked_as_quickly_as_bare_ones() -> None:
    class Bare(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        name: str
        size: int
        shares: dict[str, float]

    class Ours(CitadelModel):
        name: str
        size: int
        shares: dict[str, float]

    data = {"name": "a", "size": 3, "shares": {"b": 0.5, "c": 0.25}}
    found = compared(
        lambda: [Ours.model_validate(data) for _ in range(500)],
        lambda: [Bare.model_validate(data) for _ in range(500)],
        runs=7,
        timer=time.process_time,
    )
    assert found.ratio > 0.5


def test_an_environment_is_checked_in_a_few_milliseconds() -> None:
    loaded = load(str(ROOT / "stacks/environments/local.yaml"))
    document = loaded.environment.model_dump(by_alias=True)
    began = time.process_time()
    for _ in range(20):
        Environment.model_validate(document)
    assert (time.process_time() - began) / 20 < 0.02


async def test_utilities_on_the_way_of_a_request_cost_microseconds() -> None:
    redactor, line = Redactor(), "GET /v1/models 200 " * 20
    breaker = Breaker("redis", BreakerPolicy(), counts=lambda _: True)
    retrier = Retrier(RetryPolicy(), on_retry=lambda _: None)

    async def permitted() -> None:
        with breaker.permit():
            pass

    async def tried() -> None:
        await retrier.call("read", bare_answer, on=(OSError,))

    async def redacted() -> None:
        redactor.text(line)

    async def bound() -> None:
        with correlation.bound(correlation.accept({"x-request-id": "r-1"})):
            pass

    for act, most in ((permitted, 50), (bound, 100), (redacted, 500), (tried, 500)):
        assert await cost(act, 200) < most, act.__name__


async def bare_answer() -> int:
    return 1


def test_an_import_of_the_bases_costs_little_beyond_pydantic() -> None:
    ours = "from hxp_enterprise_llm.core import BaseAIModelService, ServiceRegistry"
    peer = "import asyncio, pydantic\nclass M(pydantic.BaseModel):\n    a: int = 1"

    def spent(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    pairs = [(spent(ours), spent(peer)) for _ in range(2)]
    least_ours, least_peer = (min(times) for times in zip(*pairs, strict=True))
    assert least_ours - least_peer < 0.15


async def test_services_that_come_and_go_leave_no_memory() -> None:
    metrics = MetricsRegistry()

    told: ServiceOptions = {"metrics": metrics, "logger": Silence()}

    async def lives(count: int) -> None:
        for _ in range(count):
            async with Quiet(Plain(), **told) as quiet, Near(Plain(), **told) as near:
                near.rely_on(quiet)
                await near.health()

    await lives(20)
    gc.collect()
    tracemalloc.start()
    try:
        await lives(50)
        gc.collect()
        half, _ = tracemalloc.get_traced_memory()
        await lives(100)
        gc.collect()
        whole, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Less than a hundred bytes a life: none is kept.
    assert whole - half < 10_000


def imported(module: str, seen: set[Path]) -> set[Path]:
    """Return all files of the library that come with a module, which is read and not run."""
    path = ROOT / "service" / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if file in seen or not file.is_file():
        return seen
    seen.add(file)
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "hxp_enterprise_llm"
        ):
            for name in (node.module, *(f"{node.module}.{one.name}" for one in node.names)):
                imported(str(name), seen)
    return seen


def test_parts_scale_independently_each_a_wheel_of_its_own() -> None:
    package = ROOT / "service/hxp_enterprise_llm"
    for part, module in {"gateway": "server", "configuration": "service.process"}.items():
        shipped = {package / file for file in service_files(part, ROOT)}
        assert imported(f"hxp_enterprise_llm.{part}.{module}", set()) <= shipped, part
    assert not [file for file in service_files("configuration", ROOT) if file.parts[0] == "gateway"]
    apart = {"service", "security", "secrets"}
    assert not [file for file in service_files("gateway", ROOT) if apart & {*file.parts[1:-1]}]


def test_parts_scale_independently_each_by_a_number_of_its_own() -> None:
    def roles(**sections: Any) -> dict[str, str]:
        made = context(**sections)
        hosts = {host: resolve(made, host) for host in HOSTS}
        return {
            f"{host}.{name}": data.model_dump_json()
            for host, found in hosts.items()
            for name, data in found.items()
        }

    def changed(**sections: Any) -> set[str]:
        before, after = roles(), roles(**sections)
        return {name.split(".")[1] for name in before if before[name] != after[name]}

    # More workers of the gateway leave the engines alone, and a further engine only has to be
    # known to who asks it or watches it.
    workers = {"api_gateway": {"workers": 7}}
    assert changed(infrastructure_services=workers) == {"gateway", "prometheus"}
    wider = {**HOSTS, "llm-2": {"roles": ["vllm"], "memory": "8GiB"}}
    twice = {name: model | {"replicas": 2} for name, model in MODELS.items()}
    assert changed(hosts=wider, models=twice) == {"gateway", "prometheus"}
    assert changed(integration_services={"cache": {"max_connections": 77}}) == {"redis"}
