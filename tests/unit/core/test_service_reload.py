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
