"""Which replica runs which revision, as the replicas themselves report it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from hxp_enterprise_llm.configuration.service.errors import LimitReachedError
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey
from hxp_enterprise_llm.schemas.configuration_service import ReplicaView, Running

MOST = 10_000
"""Replicas that are kept: whoever reports chooses the names, and each takes room."""
FORGOTTEN = timedelta(days=7)
"""A replica that is silent for so long is none any more."""


@dataclass(frozen=True)
class Replica:
    """What a replica reported last.

    Attributes:
        name: Its name.
        principal: Who reported it.
        running: What it said it runs.
        seen_at: When, by the clock of the server that heard it.
    """

    name: str
    principal: str
    running: tuple[Running, ...]
    seen_at: datetime


class Fleet(Protocol):
    """Keeps reports. Several servers may share one."""

    async def report(self, replica: Replica) -> None:
        """Keep a report in place of the replica's last one.

        Raises:
            LimitReachedError: It is a new replica, and there are as many as there may be.
        """

    async def all(self) -> tuple[Replica, ...]:
        """Return the last report of each replica, in the order of their names."""

    async def forget(self, before: datetime) -> None:
        """Drop replicas that were seen last before a time."""


class MemoryFleet:
    """Reports of one server; after a restart it fills again within one beat."""

    def __init__(self) -> None:
        self._replicas: dict[str, Replica] = {}

    async def report(self, replica: Replica) -> None:
        """Keep a report."""
        if replica.name not in self._replicas and len(self._replicas) >= MOST:
            raise full(replica.name)
        self._replicas[replica.name] = replica

    async def all(self) -> tuple[Replica, ...]:
        """Return the last report of each replica."""
        return tuple(self._replicas[name] for name in sorted(self._replicas))

    async def forget(self, before: datetime) -> None:
        """Drop replicas that were seen last before a time."""
        self._replicas = {
            name: one for name, one in self._replicas.items() if one.seen_at >= before
        }


def full(name: str) -> LimitReachedError:
    """Return why a new replica is not kept."""
    return LimitReachedError(
        f"replica {name} is not kept: {MOST} replicas are known, which is the limit",
        next_step=f"Report by names that stay; those silent for {FORGOTTEN.days} days are dropped.",
    )


def view(
    replica: Replica, newest: Mapping[DocumentKey, str], now: datetime, patience: float
) -> ReplicaView:
    """Return a replica as people see it.

    Args:
        replica: What it reported.
        newest: Document → id of the revision that serves.
        now: Time of now.
        patience: Seconds after which it counts as silent.
    """
    behind = tuple(
        f"{one.kind}/{one.name}"
        for one in replica.running
        if newest.get(DocumentKey(one.kind, one.name)) != one.id
    )
    return ReplicaView(
        replica=replica.name,
        principal=replica.principal,
        running=replica.running,
        seen_at=replica.seen_at,
        silent=(now - replica.seen_at).total_seconds() > patience,
        behind=behind,
    )
