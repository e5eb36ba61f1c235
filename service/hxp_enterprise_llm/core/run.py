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
        over: The service came to rest.
        drain_asked: Somebody wants it to drain.
        drained: The work in progress is done, or was given up.
        stop_asked: Somebody wants it to stop.
    """

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.error: Exception | None = None
        self.reason, self.over = "", False
        self.drain_asked, self.drained = asyncio.Event(), asyncio.Event()
        self.stop_asked = asyncio.Event()

    def ask_stop(self) -> None:
        """Want it to drain and to stop."""
        self.drain_asked.set()
        self.stop_asked.set()

    def release(self) -> None:
        """Let go all who wait for any part of it: it is over."""
        self.over = True
        self.ask_stop()
        self.drained.set()


async def ended(
    task: asyncio.Task[None], *, patience: float, on_forced: Callable[[float], None]
) -> None:
    """Wait until a task is done, however often the waiter is cancelled meanwhile.

    Args:
        task: The task; it was asked to end.
        patience: Seconds after which it is cancelled, and then again each second.
        on_forced: Told the patience that was used up.

    Raises:
        CancelledError: The waiter was cancelled; only after the task is done.
    """
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task], timeout=patience)
        except asyncio.CancelledError as error:
            cancelled = error
            continue
        if not task.done():
            on_forced(patience)
            task.cancel()
            patience = _HURRY
    if cancelled is not None:
        raise cancelled
