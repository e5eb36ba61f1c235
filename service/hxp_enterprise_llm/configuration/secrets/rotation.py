"""Which secrets and keys are due, by their age."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from hxp_enterprise_llm.configuration.secrets.backends.base import SecretInfo
from hxp_enterprise_llm.core.exceptions import CitadelError


@dataclass(frozen=True)
class Due:
    """A secret that is older than it may get.

    Attributes:
        path: Its address, `SCHEME:PATH`.
        age: How old its value is.
        over: By how much it is late.
    """

    path: str
    age: timedelta
    over: timedelta


@dataclass(frozen=True)
class Ages:
    """What a walk over all secrets found."""

    due: tuple[Due, ...]
    oldest: timedelta


async def ages(
    scheme: str, secrets: AsyncIterator[SecretInfo], every: timedelta, now: datetime
) -> Ages:
    """Return the due list, most overdue first; secrets without a known age are left out.

    Args:
        scheme: Scheme of the backend.
        secrets: All its secrets.
        every: Age at which a secret is due.
        now: Time of now.
    """
    due, oldest = [], timedelta()
    async for info in secrets:
        if info.made_at is None:
            continue
        # A clock that was set back makes no secret younger than new.
        age = max(now - info.made_at, timedelta())
        oldest = max(oldest, age)
        if age >= every:
            due.append(Due(f"{scheme}:{info.path}", age, age - every))
    return Ages(tuple(sorted(due, key=lambda item: (-item.over, item.path))), oldest)


class Counts(Protocol):
    """What knows the due list and keeps its metric."""

    async def due(self) -> tuple[Due, ...]:
        """Return the due list."""


async def keep_counted(
    manager: Counts,
    *,
    every: float = 3600.0,
    told: Callable[[CitadelError], None] = lambda _error: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Keep the metric of what is due fresh until cancelled, for services.

    Args:
        manager: The secret manager.
        every: Seconds between two looks.
        told: Takes an error; the next look is taken all the same.
        sleep: Waits.
    """
    while True:
        try:
            await manager.due()
        except CitadelError as error:
            told(error)
        await sleep(every)
