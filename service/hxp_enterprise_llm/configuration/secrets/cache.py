"""Values read before: fresh ones are served as they are, older ones while a backend is away."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hxp_enterprise_llm.configuration.secrets.errors import BackendAwayError
from hxp_enterprise_llm.configuration.secrets.secret import Secret

Read = Callable[[], Awaitable[Secret]]


@dataclass(frozen=True)
class CachePolicy:
    """How long values read from a remote backend are served, in seconds.

    Attributes:
        fresh: Served without asking.
        stale: Served beyond that, counted from the read, while the backend is away.
        pause: After a failure the backend is left alone for this long.
        entries: Values kept; the least recently used one goes first.
    """

    fresh: float = 60.0
    stale: float = 3600.0
    pause: float = 5.0
    entries: int = 4096


@dataclass(frozen=True)
class Cached:
    """A value and how it was come by: `read`, `cached` or `stale`."""

    value: Secret
    how: str


class SecretCache:
    """Values of one remote backend; concurrent reads of one path ask the backend once.

    Args:
        policy: How long values are served.
        clock: Seconds that never go backwards.
    """

    def __init__(self, policy: CachePolicy, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy, self._clock = policy, clock
        self._values: OrderedDict[str, tuple[Secret, float]] = OrderedDict()
        self._reads: dict[str, asyncio.Task[Secret]] = {}
        self._away: BackendAwayError | None = None
        self._away_until = 0.0

    async def get(self, path: str, read: Read) -> Cached:
        """Return a value.

        Args:
            path: The path in the backend.
            read: Asks the backend.

        Raises:
            BackendAwayError: It is away, and no value that may be served was read before.
        """
        held = self._values.get(path)
        if held is not None and self._clock() - held[1] < self._policy.fresh:
            self._values.move_to_end(path)
            return Cached(held[0], "cached")
        try:
            return Cached(await self._read(path, read), "read")
        except BackendAwayError as error:
            # Looked up again: it may have been forgotten meanwhile.
            held = self._values.get(path)
            if held is None or self._clock() - held[1] >= self._policy.stale:
                self._values.pop(path, None)
                raise error from None
            return Cached(held[0], "stale")

    def forget(self, path: str | None = None) -> None:
        """Forget a value, or all of them: they were changed; so are reads that are under way."""
        if path is None:
            self._values.clear()
            self._reads.clear()
        else:
            self._values.pop(path, None)
            self._reads.pop(path, None)

    async def _read(self, path: str, read: Read) -> Secret:
        if self._away is not None and self._clock() < self._away_until:
            raise self._away
        task = self._reads.get(path)
        if task is None:
            task = self._reads[path] = asyncio.ensure_future(self._ask(path, read))
            task.add_done_callback(lambda done: self._done(path, done))
        # Who is cancelled leaves the read to the others who wait for it.
        return await asyncio.shield(task)

    async def _ask(self, path: str, read: Read) -> Secret:
        try:
            value = await read()
        except BackendAwayError as error:
            self._away, self._away_until = error, self._clock() + self._policy.pause
            raise
        except Exception:
            if self._counts(path):
                # Removed or refused since: what was read before counts no longer.
                self._values.pop(path, None)
            raise
        self._away = None
        if not self._counts(path):
            return value
        self._values[path] = (value, self._clock())
        self._values.move_to_end(path)
        while len(self._values) > self._policy.entries:
            self._values.popitem(last=False)
        return value

    def _counts(self, path: str) -> bool:
        """Return whether the read that runs was not forgotten."""
        return self._reads.get(path) is asyncio.current_task()

    def _done(self, path: str, task: asyncio.Task[Secret]) -> None:
        if self._reads.get(path) is task:
            del self._reads[path]
        if not task.cancelled():
            # Marks it as seen: everyone who waited may have been cancelled.
            task.exception()
