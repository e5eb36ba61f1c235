"""One run of a service, from its start to its stop: what was asked for, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_HURRY = 1.0
"""Seconds between two cancellations of a run that does not end."""


class Run:
    """What the task of a service and those who start and stop it tell each other.

    Attributes:
        task: The task that starts the service, waits and stops it.
        error: Why it could not start.
        reason: The same, in words that are safe to show.
        drain_asked: Somebody wants it to drain.
        drained: The work in progress is done, or was given up.
        stop_asked: Somebody wants it to stop.
    """

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.error: Exception | None = None
        self.reason = ""
        self.drain_asked, self.drained = asyncio.Event(), asyncio.Event()
        self.stop_asked = asyncio.Event()
        self._rest = asyncio.Event()
        self._limit: asyncio.TimerHandle | None = None

    @property
    def over(self) -> bool:
        """Return whether the service came to rest."""
        return self._rest.is_set()

    def ask_stop(self) -> None:
        """Want it to drain and to stop."""
        self.drain_asked.set()
        self.stop_asked.set()

    def release(self) -> None:
        """Let go all who wait for any part of it: it is over."""
        self.unbound()
        self._rest.set()
        self.ask_stop()
        self.drained.set()

    def bound(
        self,
        patience: float,
        *,
        grace: float,
        on_forced: Callable[[float], None],
        on_given_up: Callable[[], None],
    ) -> None:
        """Let it end in time, in place of what was set before.

        Args:
            patience: Seconds after which its task is cancelled, and then again each second.
            grace: Seconds after that in which it is given up.
            on_forced: Told the patience that was used up.
            on_given_up: Called once, where cancelling did not help.
        """
        self.unbound()
        loop = asyncio.get_running_loop()

        def force(until: float | None) -> None:
            now = loop.time()
            if until is None:
                on_forced(patience)
                until = now + grace
            elif now >= until:
                on_given_up()
                return
            if self.task is not None:
                self.task.cancel()
            self._limit = loop.call_at(min(now + _HURRY, until), force, until)

        self._limit = loop.call_later(patience, force, None)

    def unbound(self) -> None:
        """Let it take its time."""
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    async def ended(self) -> None:
        """Wait until it is over, however often the waiter is cancelled meanwhile.

        Raises:
            CancelledError: The waiter was cancelled; only after it is over.
        """
        cancelled: asyncio.CancelledError | None = None
        while not self.over:
            try:
                await self._rest.wait()
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
