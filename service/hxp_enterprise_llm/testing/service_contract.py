"""What holds of every service; a service's tests take it over by subclassing.

```python
class TestMyService(ServiceContract):
    def make(self) -> MyService:
        return MyService(MyConfig())
```
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any

from hxp_enterprise_llm.core.exceptions import LifecycleError
from hxp_enterprise_llm.core.lifecycle import SERVING, State
from hxp_enterprise_llm.core.service import BaseService
from hxp_enterprise_llm.testing.matchers import expect

_STEPS = 25
"""Awaits of a start that are tried as the place of a cancellation."""


class ServiceContract(ABC):
    """Tests of lifecycle, cancellation, health and metrics; needs pytest-asyncio."""

    @abstractmethod
    def make(self) -> BaseService[Any]:
        """Return a new service that can start."""

    async def test_it_starts_and_stops_and_leaves_no_task(self) -> None:
        """A service comes up, goes down, and can do so again."""
        service = self.make()
        for _ in range(2):
            async with service:
                expect(service.state in SERVING, "a started service serves")
            _expect_rest(service, "after a stop")

    async def test_a_start_that_is_cancelled_leaves_nothing(self) -> None:
        """Wherever a start is cancelled, the service is stopped and no task is left."""
        for after in range(_STEPS):
            service = self.make()
            started = await _cancelled_after(after, service.start())
            await service.stop()
            _expect_rest(service, f"after a start that was cancelled at its {after}. await")
            if started:
                # It had no further await to be cancelled at.
                break

    async def test_a_stop_that_is_cancelled_stops_all_the_same(self) -> None:
        """Who stops a service can give up waiting only when it is stopped."""
        service = self.make()
        await service.start()
        await _cancelled_after(1, service.stop())
        _expect_rest(service, "after a stop that was cancelled")

    async def test_its_health_and_state_are_shown(self) -> None:
        """Health has its name; the metric of its state follows it."""
        service = self.make()
        async with service:
            health = await service.health()
            expect(health.service == service.name, "health has the name of the service")
            labels = {"service": service.name, "state": service.state.value}
            sample = service.metrics.registry.get_sample_value("citadel_service_state", labels)
            expect(sample == 1, "citadel_service_state shows the state")

    async def test_its_own_configuration_can_be_loaded_again(self) -> None:
        """A reload of what is in force is accepted."""
        service = self.make()
        async with service:
            await service.reload(service.config)
            expect(service.state in SERVING, "a service that was reloaded serves")

    async def test_a_configuration_that_comes_while_it_starts_waits_until_it_serves(self) -> None:
        """What a start has not read is built after it; nothing is in force that does not serve."""
        service = self.make()
        starting = asyncio.create_task(service.start())
        await asyncio.sleep(0)
        expect(service.state is State.STARTING, "a service that is started starts")
        prepared = await service.prepare(service.config)
        expect(service.state in SERVING, "a configuration waits until the service serves")
        expect(prepared.live, "a configuration is built for the service that has started")
        service.commit(prepared)
        await starting
        await service.stop()

    async def test_a_service_that_drains_takes_no_configuration(self) -> None:
        """What is on its way out says so, and keeps what it serves by."""
        service = self.make()
        async with service:
            await service.drain()
            refused = False
            try:
                await service.prepare(service.config)
            except LifecycleError:
                refused = True
            expect(refused, "a service that drains refuses a configuration")


def _expect_rest(service: BaseService[Any], when: str) -> None:
    expect(service.state is State.STOPPED, f"{when}, a service is stopped, not {service.state}")
    expect(not _others(), f"{when}, no task is left, such as {', '.join(_others())}")


async def _cancelled_after(steps: int, work: Coroutine[Any, Any, None]) -> bool:
    """Cancel work after some turns of the event loop; return whether it was done before."""
    task = asyncio.create_task(work)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return not task.cancelled()


def _others() -> list[str]:
    mine = asyncio.current_task()
    return [task.get_name() for task in asyncio.all_tasks() if task is not mine]
