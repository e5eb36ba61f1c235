"""Sessions: opaque tokens of 256 random bits, kept as digests only, that expire and can be revoked.

Why no JWT (PyJWT is what the documents name, A43): a session that can be revoked and idles out
needs a record at the server anyway; with it, a signed token would only add keys to keep and
algorithms to get wrong. Tokens of other issuers would be checked with joserfc.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import Field

from hxp_enterprise_llm.configuration.secrets.keyring import Clock, utc_now
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.errors import SessionError, TooManySessionsError
from hxp_enterprise_llm.schemas.base import CitadelModel, Seconds

TOKEN_BYTES = 32
_PREFIX = "cts_"
_SKEW = timedelta(minutes=1)
_TOUCHES = 20
"""A session's idle time is written down this often within it: not with each request."""


class SessionPolicy(CitadelModel):
    """How long sessions last, and how many there may be."""

    lifetime: Seconds = Field(default=43_200.0, gt=0, description="A session ends by then: 12 h.")
    idle: Seconds = Field(default=3_600.0, gt=0, description="Or after so long without a request.")
    per_principal: int = Field(
        default=10, ge=1, description="Sessions of one principal; the oldest makes room."
    )
    total: int = Field(default=10_000, ge=1, description="Sessions of all; then none is opened.")


@dataclass(frozen=True)
class Session:
    """A session as it is kept.

    Attributes:
        digest: SHA-256 of its token, which is kept nowhere.
        principal: Whose it is; roles are looked up with each request.
        made_at: When it was opened.
        seen_at: When it was last used, give or take a twentieth of the idle time.
        expires_at: When it ends, however much it is used.
    """

    digest: str
    principal: str
    made_at: datetime
    seen_at: datetime
    expires_at: datetime

    @property
    def id(self) -> str:
        """Return what names it in lists and logs; nobody can use it as a token."""
        return self.digest[:12]


@dataclass(frozen=True)
class Opened:
    """A new session with its token, which is shown this once."""

    token: Secret
    session: Session


class SessionStore(Protocol):
    """Keeps sessions by digest. Several servers may share one."""

    async def put(self, session: Session) -> None:
        """Keep a new session."""

    async def touch(self, digest: str, seen_at: datetime) -> None:
        """Note when a session was used; one that was removed meanwhile stays removed."""

    async def get(self, digest: str) -> Session | None:
        """Return a session."""

    async def remove(self, *digests: str) -> None:
        """Forget sessions; those that are not there are none's concern."""

    async def of(self, principal: str) -> tuple[Session, ...]:
        """Return the sessions of one principal, oldest first."""

    async def all(self) -> tuple[Session, ...]:
        """Return all sessions."""


class MemorySessions:
    """Sessions of one process; they end with it."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    async def put(self, session: Session) -> None:
        """Keep a session."""
        self._sessions[session.digest] = session

    async def touch(self, digest: str, seen_at: datetime) -> None:
        """Note when a session was used."""
        if session := self._sessions.get(digest):
            self._sessions[digest] = replace(session, seen_at=seen_at)

    async def get(self, digest: str) -> Session | None:
        """Return a session."""
        return self._sessions.get(digest)

    async def remove(self, *digests: str) -> None:
        """Forget sessions."""
        for digest in digests:
            self._sessions.pop(digest, None)

    async def of(self, principal: str) -> tuple[Session, ...]:
        """Return the sessions of one principal, oldest first."""
        own = (one for one in self._sessions.values() if one.principal == principal)
        return tuple(sorted(own, key=lambda one: one.made_at))

    async def all(self) -> tuple[Session, ...]:
        """Return all sessions."""
        return tuple(self._sessions.values())


class Sessions:
    """Opens, checks and ends sessions.

    Args:
        policy: Times and numbers.
        store: Where they are kept; in this process when not given.
        clock: Time of now.
        random: Returns so many random bytes.
    """

    def __init__(
        self,
        policy: SessionPolicy | None = None,
        *,
        store: SessionStore | None = None,
        clock: Clock = utc_now,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.policy = policy or SessionPolicy()
        self._store = store or MemorySessions()
        self._clock, self._random = clock, random

    async def open(self, principal: str) -> Opened:
        """Open a session for somebody who has shown who they are.

        Raises:
            TooManySessionsError: There are as many as there may be.
        """
        await self._make_room(principal)
        now = self._clock()
        token = _PREFIX + base64.urlsafe_b64encode(self._random(TOKEN_BYTES)).decode().rstrip("=")
        expires = now + timedelta(seconds=self.policy.lifetime)
        session = Session(digest_of(token), principal, now, now, expires)
        await self._store.put(session)
        return Opened(Secret(token), session)

    async def check(self, token: str) -> Session:
        """Return the session of a token, and count it as used.

        Raises:
            SessionError: It is unknown, over or revoked.
        """
        session = await self._store.get(digest_of(token))
        now = self._clock()
        if session is None:
            raise _over()
        if self._ended(session, now):
            await self._store.remove(session.digest)
            raise _over()
        if (now - session.seen_at).total_seconds() >= self.policy.idle / _TOUCHES:
            session = replace(session, seen_at=now)
            await self._store.touch(session.digest, now)
        return session

    async def revoke(self, token: str) -> None:
        """End the session of a token, if there is one."""
        await self._store.remove(digest_of(token))

    async def revoke_all(self, principal: str) -> int:
        """End all sessions of somebody; return how many there were."""
        own = await self._store.of(principal)
        await self._store.remove(*(one.digest for one in own))
        return len(own)

    async def list(self, principal: str = "") -> tuple[Session, ...]:
        """Return the sessions in force, of one principal or of all."""
        found = await (self._store.of(principal) if principal else self._store.all())
        now = self._clock()
        return tuple(one for one in found if not self._ended(one, now))

    async def sweep(self) -> int:
        """Forget what has ended; return how many that were."""
        now = self._clock()
        ended = [one.digest for one in await self._store.all() if self._ended(one, now)]
        await self._store.remove(*ended)
        return len(ended)

    def _ended(self, session: Session, now: datetime) -> bool:
        idle = timedelta(seconds=self.policy.idle)
        # A clock that was set back must not lengthen a session.
        early = now < session.made_at - _SKEW
        # The policy of now counts, also for sessions of before: it may have become stricter.
        lasted = now - session.made_at >= timedelta(seconds=self.policy.lifetime)
        return early or lasted or now >= session.expires_at or now - session.seen_at >= idle

    async def _make_room(self, principal: str) -> None:
        own = await self._store.of(principal)
        extra = len(own) - self.policy.per_principal + 1
        if extra > 0:
            await self._store.remove(*(one.digest for one in own[:extra]))
        if len(await self._store.all()) >= self.policy.total:
            await self.sweep()
            if len(await self._store.all()) >= self.policy.total:
                raise TooManySessionsError(
                    f"{self.policy.total} sessions are open, which is the limit",
                    next_step="Wait until one ends, or raise sessions.total.",
                )


def digest_of(token: str) -> str:
    """Return what is kept of a token: 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def _over() -> SessionError:
    return SessionError("there is no such session, or it is over", next_step="Log in again.")
