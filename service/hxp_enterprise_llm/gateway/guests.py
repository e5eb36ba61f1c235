"""Who is connected to a worker: those who have shown the key, and strangers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from hxp_enterprise_llm.gateway.keys import Key
from hxp_enterprise_llm.schemas.gateway import Limits


class Connection(Protocol):
    """A connection that can be made to end."""

    def cut(self) -> None:
        """End it now; it tells `Guests.leave`."""


class Guests:
    """Counts both kinds apart, so that no number of strangers keeps out who has the key.

    Args:
        key: What makes a stranger a member.
        limits: How many there may be of each.

    Attributes:
        limits: The same; others hold for those who come from then on.
    """

    def __init__(self, key: Key, limits: Limits) -> None:
        self._key, self.limits = key, limits
        # A dictionary for its order: the one that has been a stranger for longest comes first.
        self._strangers: dict[Connection, None] = {}
        self._members: set[Connection] = set()

    def enter(self, connection: Connection) -> None:
        """Let a stranger in; where they are too many, the oldest of them makes room."""
        self._strangers[connection] = None
        if len(self._strangers) > self.limits.max_strangers:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.cut()

    def admit(self, connection: Connection, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Make a member of one who shows the key; return False when there are too many."""
        if connection in self._members or not self._key.opens(headers):
            return True
        if len(self._members) >= self.limits.max_connections:
            return False
        self._strangers.pop(connection, None)
        self._members.add(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._strangers.pop(connection, None)
        self._members.discard(connection)
