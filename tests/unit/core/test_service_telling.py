"""What a service tells: logs and metrics, its own or the process's, with no secret in them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from typing import Any

import pytest
from tests.unit.core.demo import QUICK, DemoService, value

from hxp_enterprise_llm.core.exceptions import (
    DependencyError,
)
from hxp_enterprise_llm.core.health import Check
from hxp_enterprise_llm.core.lifecycle import Transition
from hxp_enterprise_llm.core.metrics import MetricsRegistry
from hxp_enterprise_llm.utilities.breaker import BreakerState
from hxp_enterprise_llm.utilities.redaction import Redactor

pytestmark = pytest.mark.feature("CO-07")


async def test_metrics_show_the_state_in_a_registry_that_services_share() -> None:
    metrics = MetricsRegistry()
    first = DemoService(name="first", metrics=metrics)
    second = DemoService(name="second", metrics=metrics)
    async with first, second:
        second.degrade("disk", "full")
        text = metrics.expose().decode()
    assert 'citadel_service_state{service="first",state="ready"} 1.0' in text
    assert 'citadel_service_state{service="second",state="ready"} 0.0' in text
    assert 'citadel_service_state{service="second",state="degraded"} 1.0' in text


async def test_metrics_can_go_to_a_registry_that_exists() -> None:
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    async with DemoService(metrics=MetricsRegistry(registry)):
        assert registry.get_sample_value(
            "citadel_service_state", {"service": "demo", "state": "ready"}
        )


async def test_metrics_of_a_service_s_own_are_made_once() -> None:
    async with DemoService() as service:
        for _ in range(2):
            service.metrics.counter("citadel_demo_jobs", "Jobs.", ("kind",)).labels("a").inc()
            service.metrics.gauge("citadel_demo_queue", "Waiting.", ()).set(4)
        text = service.metrics.expose().decode()
    assert 'citadel_demo_jobs_total{kind="a"} 2.0' in text
    assert "citadel_demo_queue 4.0" in text


async def test_retry_and_breaker_are_given_and_measured() -> None:
    async with DemoService() as service:
        tries = 0

        async def flaky() -> str:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise OSError("reset")
            return "answer"

        assert await service.retrier.call("fetch", flaky, on=(OSError,)) == "answer"
        assert value(service, "citadel_service_retries_total", operation="fetch") == 2
        breaker = service.breaker("redis", counts=lambda _: True)
        for _ in range(QUICK.breaker.calls):
            with contextlib.suppress(OSError), breaker.permit():
                raise OSError
        assert breaker.state is BreakerState.OPEN
        labels = {"dependency": "redis", "state": "open"}
        assert value(service, "citadel_service_breaker_state", **labels) == 1


async def test_it_logs_through_the_logger_that_it_is_given() -> None:
    events: list[tuple[str, dict[str, Any]]] = []

    class Journal:
        def info(self, event: str, **fields: Any) -> None:
            events.append((event, fields))

        debug = warning = error = exception = info

        def bind(self, **_: Any) -> Journal:
            return self

    async with DemoService(logger=Journal()) as service:
        service.faults.report(DependencyError("redis is away"), "read")
    assert [event for event, _ in events] == ["started", "fault", "stopped"]
    assert events[1][1]["message"] == "redis is away"


async def test_a_value_that_the_process_has_learnt_is_in_no_error() -> None:
    redactor = Redactor()
    redactor.learn("geheimnis-1")

    async def broken() -> None:
        raise DependencyError("no answer to geheimnis-1")

    async with DemoService(redactor=redactor) as service:
        service.checks.add(Check("vault", broken))
        assert (await service.health()).checks[0].detail == "no answer to [redacted]"


async def test_an_observer_that_fails_is_reported() -> None:
    def broken(_: Transition) -> None:
        raise ValueError("observer")

    service = DemoService()
    service.lifecycle.observe(broken)
    async with service:
        labels = {"code": "citadel.unexpected", "handling": "reported"}
        assert value(service, "citadel_service_faults_total", **labels) == 2


async def test_a_registry_that_services_share_holds_no_service_that_stopped() -> None:
    metrics, engine = MetricsRegistry(), DemoService(name="engine")

    async def live() -> weakref.ref[DemoService]:
        service = DemoService(name="router", metrics=metrics)
        service.rely_on(engine)
        async with service:
            pass
        return weakref.ref(service)

    ghost = await live()
    await asyncio.sleep(0)
    gc.collect()
    assert ghost() is None
    assert b'citadel_service_state{service="router",state="stopped"} 1.0' in metrics.expose()
