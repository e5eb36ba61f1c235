"""A probe of what may hang: it answers soon, from what was known last where there is no news."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hxp_enterprise_llm.core.exceptions import DependencyError

WITHIN = 0.5


class Lately:
    """Asks in the background, one question at a time, and waits for a moment only.

    Args:
        probe: Passes by returning; fails by raising.
        within: Seconds that anybody waits for it.
    """

    def __init__(self, probe: Callable[[], Awaitable[str]], within: float = WITHIN) -> None:
        self._probe, self._within = probe, within
        self._asking: asyncio.Task[str] | None = None
        self._last = "nothing"

    async def check(self) -> str:
        """Return what the probe says.

        Raises:
            DependencyError: It has not answered yet; says what was known last.
            CitadelError: It failed.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        # Not cancelled: giving up on a hung connection takes as long as waiting for it.
        done, _ = await asyncio.wait([self._asking], timeout=self._within)
        if not done:
            raise DependencyError(
                f"no answer within {self._within:g} s; the last was: {self._last}"
            )
        return self._asking.result()

    async def end(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _ask(self) -> str:
        try:
            self._last = await self._probe()
        except Exception as error:
            self._last = type(error).__name__
            raise
        return self._last
