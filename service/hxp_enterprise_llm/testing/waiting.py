"""Waiting for something to come true, with an end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

_PAUSE = 0.02
T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T]], *, seconds: float = 10.0) -> T:
    """Return the first truthy answer of `look`.

    Args:
        look: Asked again and again; connection errors count as "not yet".
        seconds: How long it may take.

    Raises:
        TimeoutError: It did not come true in time.
    """
    async with asyncio.timeout(seconds):
        while True:
            try:
                found = await look()
            except OSError:
                found = None
            if found:
                return found
            await asyncio.sleep(_PAUSE)
