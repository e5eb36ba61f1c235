"""Which secrets and keys are due, by their age."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hxp_enterprise_llm.configuration.secrets.backends.base import Backend, Keyed, SecretInfo
from hxp_enterprise_llm.configuration.secrets.keyring import SKEW
from hxp_enterprise_llm.configuration.secrets.rules import RotationRule
from hxp_enterprise_llm.core.exceptions import CitadelError


class Kind(StrEnum):
    """What is due: a secret is rotated, the key that seals secrets is replaced by a rekey."""

    SECRET = "secret"  # noqa: S105 # the word
    KEY = "key"


@dataclass(frozen=True)
class Due:
    """A secret or key that is older than it may get.

    Attributes:
        path: Its address, `SCHEME:PATH`; of a key, its file and id.
        age: How old its value is.
        over: By how much it is late.
        rule: How it is renewed.
        kind: Which of the two it is.
    """

    path: str
    age: timedelta
    over: timedelta
    rule: RotationRule
    kind: Kind = Kind.SECRET


@dataclass(frozen=True)
class Ages:
    """What a walk over secrets found.

    Attributes:
        due: The due list, most overdue first.
        oldest: Age of the oldest one, due or not.
        unknown: Addresses whose backend does not say how old they are.
        failed: Addresses that could not be looked at, with the reason.
        ahead: Addresses whose time lies in the future, so a clock was wrong: their age is unknown.
    """

    due: tuple[Due, ...] = ()
    oldest: timedelta = timedelta()
    unknown: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    ahead: tuple[str, ...] = ()

    def __add__(self, other: Ages) -> Ages:
        due = sorted((*self.due, *other.due), key=lambda item: (-item.over, item.path))
        return Ages(
            tuple(due),
            max(self.oldest, other.oldest),
            (*self.unknown, *other.unknown),
            (*self.failed, *other.failed),
            (*self.ahead, *other.ahead),
        )


async def ages(
    scheme: str, secrets: AsyncIterator[SecretInfo], every: timedelta, now: datetime
) -> Ages:
    """Return what is due of the secrets of a backend.

    Args:
        scheme: Scheme of the backend.
        secrets: The secrets.
        every: Age at which a secret is due, unless its own rule says another.
        now: Time of now.
    """
    found = Ages()
    async for info in secrets:
        found += age_of(f"{scheme}:{info.path}", info, every, now)
    return found


def age_of(
    address: str, info: SecretInfo, every: timedelta, now: datetime, kind: Kind = Kind.SECRET
) -> Ages:
    """Return what is due of one secret or key."""
    if info.rule.problem:
        return Ages(failed=((address, info.rule.problem),))
    if info.made_at is None:
        return Ages(unknown=(address,))
    if info.made_at - now > SKEW:
        if kind is Kind.KEY:
            # A new key costs nothing, and ends the doubt.
            return Ages((Due(address, timedelta(), timedelta(), info.rule, kind),))
        return Ages(ahead=(address,))
    age = max(now - info.made_at, timedelta())
    over = age - info.rule.every(every)
    due = (Due(address, age, over, info.rule, kind),) if over >= timedelta() else ()
    return Ages(due, age)


async def aged(backend: Backend, every: timedelta, now: datetime) -> Ages:
    """Return what is due of all secrets of a backend, and of its keys if it has some."""
    found = await ages(backend.scheme, backend.list(), every, now)
    for key in backend.keys() if isinstance(backend, Keyed) else ():
        found += age_of(key.path, key, every, now, Kind.KEY)
    return found


async def keep_counted(
    look: Callable[[], Awaitable[Ages]],
    *,
    every: float = 3600.0,
    told: Callable[[Exception | None], None] = lambda _error: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Keep the metric of what is due fresh until cancelled, for services.

    Args:
        look: Looks at all ages and shows them.
        every: Seconds between two looks.
        told: Takes None after a look, or its error; the next look is taken all the same.
        sleep: Waits.
    """
    while True:
        try:
            await look()
        except (CitadelError, OSError) as error:
            told(error)
        else:
            told(None)
        await sleep(every)
