"""A connection that knows whether somebody uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

ConnectionT = TypeVar("ConnectionT")


class Link(Generic[ConnectionT]):
    """A connection and its users: it is closed only after them.

    Attributes:
        connection: The connection.
    """

    def __init__(self, connection: ConnectionT) -> None:
        self.connection = connection
        self._users = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def used(self) -> Iterator[None]:
        """Count as a user within."""
        self._users += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until nobody uses it."""
        await self._idle.wait()
