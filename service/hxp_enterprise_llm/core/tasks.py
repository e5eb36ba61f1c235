"""Tasks that never get lost: waited for to their end, watched, and started again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from hxp_enterprise_llm.utilities.retry import Retrier

Work = Callable[[], Awaitable[None]]


async def settled(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Wait until all tasks are done, however often the waiter is cancelled meanwhile.

    Raises:
        CancelledError: The waiter was cancelled; only after all tasks are done.
    """
    cancelled: asyncio.CancelledError | None = None
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


class Background:
    """The background work of one service.

    Work that fails is started again after a pause that grows; it is up again as soon as it runs.

    Args:
        retrier: Gives the pauses; how often it would try does not count here.
        on_failure: Told the name and the error of work that failed, and whether it starts again.
        on_return: Told the name of work that runs again.
        clock: Seconds that never go backwards.
        steady: Work that ran this many seconds starts with the shortest pause again.
    """

    def __init__(
        self,
        *,
        retrier: Retrier,
        on_failure: Callable[[str, Exception, bool], None],
        on_return: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        steady: float = 60.0,
    ) -> None:
        self._retrier, self._clock, self._steady = retrier, clock, steady
        self._on_failure, self._on_return = on_failure, on_return
        self._tasks: set[asyncio.Task[None]] = set()

    def owns(self, task: asyncio.Task[Any] | None) -> bool:
        """Tell whether a task is one of this work."""
        return task in self._tasks

    def keep(self, name: str, work: Work) -> asyncio.Task[None]:
        """Run work until it returns or the service stops; start it again when it fails."""
        return self._add(name, self._kept(name, work))

    def once(self, name: str, work: Work) -> asyncio.Task[None]:
        """Run work a single time; a failure is told, and that is all."""
        return self._add(name, self._tried(name, work, again=False))

    def cancel(self) -> None:
        """Tell all work to end, without waiting for it."""
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """End all work and wait until it is gone."""
        self.cancel()
        await settled(tuple(self._tasks))

    def _add(self, name: str, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _kept(self, name: str, work: Work) -> None:
        failures = 0
        while True:
            began = self._clock()
            if await self._tried(name, work, again=True):
                return
            failures = 1 if self._clock() - began >= self._steady else failures + 1
            await asyncio.sleep(self._retrier.pause(failures))
            self._on_return(name)

    async def _tried(self, name: str, work: Work, *, again: bool) -> bool:
        try:
            await work()
        except Exception as error:
            self._on_failure(name, error, again)
            return False
        return True
