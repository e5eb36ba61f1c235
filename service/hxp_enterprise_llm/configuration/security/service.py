"""The security service: who it is, what they may do, what they did, and whether that was usual."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Unpack

from pydantic import Field

from hxp_enterprise_llm.configuration.audit import (
    AuditError,
    AuditEvent,
    AuditLog,
    AuditRecord,
    Head,
)
from hxp_enterprise_llm.configuration.secrets.keyring import Clock, utc_now
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.access import Access, AccessRules, Do
from hxp_enterprise_llm.configuration.security.accounts import Account, Accounts, MemoryAccounts
from hxp_enterprise_llm.configuration.security.errors import (
    ForbiddenError,
    LoginError,
    SessionError,
)
from hxp_enterprise_llm.configuration.security.passwords import Passwords
from hxp_enterprise_llm.configuration.security.policies import (
    POLICIES,
    SecurityLevel,
    SecurityPolicy,
)
from hxp_enterprise_llm.configuration.security.sessions import (
    Opened,
    Sessions,
    SessionStore,
)
from hxp_enterprise_llm.core.health import Check
from hxp_enterprise_llm.core.infrastructure_service import BaseInfrastructureService
from hxp_enterprise_llm.schemas.access import (
    AccessDecision,
    Authentication,
    AuthenticationMethod,
    Principal,
)
from hxp_enterprise_llm.schemas.base import CitadelModel, Seconds

if TYPE_CHECKING:
    from hxp_enterprise_llm.core.service import ServiceOptions


_LOOKS = frozenset({Do.READ, Do.EXPLAIN, Do.WATCH, Do.PLAN})


class SecurityConfig(CitadelModel):
    """Configuration of the security service."""

    security_level: SecurityLevel = Field(
        default=SecurityLevel.MEDIUM, description="How much is protected."
    )
    access: AccessRules = Field(default=AccessRules(), description="Roles, and who has them.")
    sweep_every: Seconds = Field(default=60.0, gt=0, description="Ended sessions go so often.")

    @property
    def policy(self) -> SecurityPolicy:
        """Return what the level asks for."""
        return POLICIES[self.security_level]


class ConfigurationSecurity(BaseInfrastructureService[SecurityConfig]):
    """Guards configuration: people log in, and each decision is on record.

    Args:
        config: Level, roles and principals; may be reloaded.
        audit: Takes a record of everything; what cannot be recorded is not done.
        accounts: Hashes of people's passwords.
        sessions: Where sessions are kept; in this process when not given.
        passwords: Checks passwords; by the level's policy when not given.
        now: Time of now.
        options: What every service takes.
    """

    kind = "configuration-security"

    def __init__(
        self,
        config: SecurityConfig,
        *,
        audit: AuditLog,
        accounts: Accounts | None = None,
        sessions: SessionStore | None = None,
        passwords: Passwords | None = None,
        now: Clock = utc_now,
        **options: Unpack[ServiceOptions],
    ) -> None:
        super().__init__(config, **options)
        self.audit, self.accounts = audit, accounts or MemoryAccounts()
        self.access, self._now = Access(config.access), now
        self.sessions = Sessions(config.policy.sessions, store=sessions, clock=now)
        self.passwords = passwords or Passwords(config.policy.passwords)
        self._noted: Head | None = None

    async def on_start(self, resources: AsyncExitStack) -> None:
        """Check the audit log's chain; then look after sessions until the service stops."""
        resources.callback(self.audit.close)
        self.checks.add(Check("audit", self._audit_writable))
        await self._check_chain()
        self.background.keep("sweep", self._sweep)

    async def on_prepare(self, config: SecurityConfig) -> Access:
        """Check new rules before they come into force."""
        return Access(config.access)

    def on_commit(self, built: Access) -> None:
        """Put new rules into force: for sessions that are open, too."""
        self.access = built

    # Who it is.

    async def login(self, name: str, password: Secret) -> Opened:
        """Open a session for a person.

        A password that is kept as bcrypt, or with older parameters, is kept as argon2id afterwards.

        Args:
            name: Who they say they are.
            password: Their password.

        Raises:
            LoginError: Name and password do not fit.
            BusyError: Too many passwords wait to be checked.
            TooManySessionsError: There are as many sessions as there may be.
            AuditError: It cannot be recorded; then nobody logs in.
        """
        account = await self.accounts.get(name)
        kept = account.password_hash if account and self.access.knows(name) else None
        verdict = await self.passwords.verify(kept, password)
        if account is None or kept is None or not verdict.fits:
            # A name that nobody has may be a password in the wrong field.
            self.record("anonymous" if kept is None else name, "session.open", "denied")
            raise LoginError("name and password do not fit", next_step="Try again.")
        if verdict.upgraded is not None:
            await self.accounts.upgrade(name, kept, verdict.upgraded)
            self.record(name, "password.upgrade", "ok")
        self.record(name, "session.open", "ok")
        return await self.sessions.open(name)

    async def authenticate(self, token: str) -> Authentication:
        """Return whose session a token is of; keys of services are the API's own matter.

        Raises:
            SessionError: It is unknown, over or revoked, or the rules name its owner no more.
        """
        session = await self.sessions.check(token)
        if not self.access.knows(session.principal):
            await self.sessions.revoke(token)
            raise SessionError("its owner is gone", next_step="Log in as somebody else.")
        return Authentication(
            principal=self.access.principal(session.principal),
            method=AuthenticationMethod.SESSION,
            at=session.made_at,
            expires=session.expires_at,
        )

    async def logout(self, token: str) -> None:
        """End a session."""
        session = await self.sessions.check(token)
        await self.sessions.revoke(token)
        self.record(session.principal, "session.close", "ok")

    async def set_password(self, name: str, password: Secret, *, actor: str) -> None:
        """Give a person a password; their sessions end.

        Raises:
            PasswordRefusedError: It is too short or too long.
        """
        hashed = await self.passwords.hash(password)
        self.record(actor, "password.set", "ok", f"principals:{name}")
        before = await self.accounts.get(name) or Account(id=name)
        await self.accounts.put(before.model_copy(update={"password_hash": hashed}))
        await self.sessions.revoke_all(name)

    # What they may do, and what they did.

    def authorize(
        self, principal: Principal, action: str, resource: str, **detail: str
    ) -> AccessDecision:
        """Return the decision that lets somebody do something; both outcomes are on record.

        Args:
            principal: Who.
            action: What.
            resource: To what, written `KIND:PATH`.
            detail: More words for the record.

        Raises:
            ForbiddenError: No permission covers it.
            AuditError: It cannot be recorded; then it is not allowed.
        """
        kind = resource.partition(":")[0]
        try:
            decision = self.access.require(principal, action, resource)
        except ForbiddenError:
            self.record(principal.id, f"{kind}.{action}", "denied", resource, **detail)
            raise
        self.record(
            principal.id, f"{kind}.{action}", "ok", resource, role=decision.role or "", **detail
        )
        return decision

    def record(
        self, actor: str, action: str, outcome: str, resource: str = "", **detail: str
    ) -> AuditRecord:
        """Put something that happened on record; all but looking waits for the disk.

        Raises:
            AuditError: It cannot be recorded.
        """
        event = AuditEvent(actor, action, resource, outcome, detail)
        return self.audit.append(event, durable=action.partition(".")[2] not in _LOOKS)

    async def _audit_writable(self) -> str:
        return f"head {self.audit.head().number}"

    async def _check_chain(self) -> None:
        try:
            self._noted = await asyncio.to_thread(self.audit.verify, self._noted)
        except AuditError as error:
            # To refuse service would hide the evidence no better, and stop everybody.
            self.degrade("audit chain", error.message)
        else:
            self.recover("audit chain")

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self.config.sweep_every)
            await self.sessions.sweep()
