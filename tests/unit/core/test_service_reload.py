"""A new configuration for a running service: prepared first, then in force, or not at all."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.core.demo import DemoConfig, DemoService, others, value

from hxp_enterprise_llm.core.exceptions import (
    LifecycleError,
)

pytestmark = pytest.mark.feature("CO-07")


async def test_a_reload_is_prepared_first_and_then_in_force() -> None:
    async with DemoService() as service:
        await service.reload(DemoConfig(steps=5))
        assert service.config.steps == 5
        assert service.journal[-2:] == ["prepare 5", "commit 5"]
        assert value(service, "citadel_service_reloads_total", outcome="applied") == 1


async def test_a_refused_reload_changes_nothing() -> None:
    async with DemoService() as service:
        with pytest.raises(ValueError, match="too many steps"):
            await service.reload(DemoConfig(steps=11))
        assert service.config.steps == 3
        assert value(service, "citadel_service_reloads_total", outcome="refused") == 1
        # So does a manager that prepares all its parts.
        with pytest.raises(ValueError, match="too many steps"):
            await service.prepare(DemoConfig(steps=11))
        assert value(service, "citadel_service_reloads_total", outcome="refused") == 2


async def test_what_another_part_refused_is_abandoned() -> None:
    async with DemoService() as service:
        await service.abandon(await service.prepare(DemoConfig(steps=6)))
        assert service.config.steps == 3
        assert service.journal[-1] == "abandon 6"


async def test_a_service_that_does_not_run_takes_a_configuration_without_building() -> None:
    service = DemoService()
    await service.abandon(await service.prepare(DemoConfig(steps=6)))
    prepared = await service.prepare(DemoConfig(steps=5))
    service.commit(prepared)
    assert (service.config.steps, service.journal) == (5, [])
    async with service:
        with pytest.raises(LifecycleError, match="started after"):
            service.commit(prepared)
        prepared = await service.prepare(DemoConfig(steps=7))
    service.commit(prepared)
    await asyncio.wait(others())
    assert service.config.steps == 7
    assert service.journal[-1] == "abandon 7"


async def test_what_was_built_for_a_run_goes_with_it() -> None:
    service = DemoService()
    await service.start()
    prepared = await service.prepare(DemoConfig(steps=8))
    await service.stop()
    async with service:
        with pytest.raises(LifecycleError, match="started after"):
            service.commit(prepared)
        (throwing,) = [task for task in others() if task.get_name() == "abandon"]
        await throwing
        assert service.journal[-1] == "abandon 8"
        assert service.config.steps == 3
    assert "commit 8" not in service.journal


async def test_a_configuration_is_not_put_in_force_while_the_service_starts_or_drains() -> None:
    service = DemoService()
    before = await service.prepare(DemoConfig(steps=5))
    starting = asyncio.create_task(service.start())
    await asyncio.sleep(0)
    with pytest.raises(LifecycleError, match="is starting: it takes no configuration now"):
        service.commit(before)
    await starting
    prepared = await service.prepare(DemoConfig(steps=6))
    await service.drain()
    with pytest.raises(LifecycleError, match="is draining"):
        service.commit(prepared)
    await service.stop()
    assert service.config.steps == 3
    assert "commit 6" not in service.journal


async def test_a_start_that_fails_lets_who_waits_with_a_configuration_go() -> None:
    service = DemoService()
    service.fail_at = 1
    starting = asyncio.create_task(service.start())
    await asyncio.sleep(0)
    prepared = await service.prepare(DemoConfig(steps=5))
    assert not prepared.live
    with pytest.raises(ValueError, match="resource 1"):
        await starting
    service.commit(prepared)
    assert service.config.steps == 5
