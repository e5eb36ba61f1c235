"""The security service: who it is, what they may do, what they did, and whether that was usual."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from pydantic import Field

from hxp_enterprise_llm.configuration.audit import (
    AuditError,
    AuditEvent,
    AuditLog,
    AuditRecord,
)
from hxp_enterprise_llm.configuration.secrets.keyring import Clock, utc_now
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.access import Access, AccessRules, Do
from hxp_enterprise_llm.configuration.security.accounts import Account, Accounts, MemoryAccounts
from hxp_enterprise_llm.configuration.security.anomalies import Anomaly, Kind
from hxp_enterprise_llm.configuration.security.attempts import Attempts, AttemptStore
from hxp_enterprise_llm.configuration.security.compliance import Facts, Report, assess
from hxp_enterprise_llm.configuration.security.errors import (
    ForbiddenError,
    LoginError,
    RetentionError,
    SessionError,
)
from hxp_enterprise_llm.configuration.security.passwords import Passwords
from hxp_enterprise_llm.configuration.security.policies import POLICIES, SecurityPolicy
from hxp_enterprise_llm.configuration.security.refusals import Refusals
from hxp_enterprise_llm.configuration.security.retention import Retention
from hxp_enterprise_llm.configuration.security.sessions import (
    Opened,
    SessionPolicy,
    Sessions,
    SessionStore,
)
from hxp_enterprise_llm.configuration.security.watch import Watch
from hxp_enterprise_llm.core.health import Check
from hxp_enterprise_llm.core.infrastructure_service import BaseInfrastructureService
from hxp_enterprise_llm.core.tasks import Work
from hxp_enterprise_llm.schemas.access import (
    AccessDecision,
    Authentication,
    AuthenticationMethod,
    Principal,
    PrincipalKind,
)
from hxp_enterprise_llm.schemas.base import CitadelModel, Seconds
from hxp_enterprise_llm.schemas.security import (
    AttemptPolicy,
    SecurityLevel,
    SessionLimits,
    Thresholds,
)

if TYPE_CHECKING:
    from hxp_enterprise_llm.core.service import ServiceOptions


ANOMALIES = "citadel_security_anomalies"
_LOOKS = frozenset({Do.READ, Do.EXPLAIN, Do.WATCH, Do.PLAN})


class SecurityConfig(CitadelModel):
    """Configuration of the security service."""

    security_level: SecurityLevel = Field(
        default=SecurityLevel.MEDIUM, description="How much is protected."
    )
    access: AccessRules = Field(default=AccessRules(), description="Roles, and who has them.")
    attempts: AttemptPolicy = Field(
        default=AttemptPolicy(), description="How many wrong passwords hold an account."
    )
    sessions: SessionLimits = Field(
        default=SessionLimits(), description="Sessions that are shorter than the level says."
    )
    anomalies: Thresholds = Field(
        default=Thresholds(), description="From when on access is unusual."
    )
    watch_every: Seconds = Field(default=2.0, gt=0, description="New records are judged so often.")
    sweep_every: Seconds = Field(default=60.0, gt=0, description="Ended sessions go so often.")
    check_every: Seconds = Field(
        default=3_600.0, gt=0, description="The log's chain is checked, old records go so often."
    )

    @property
    def policy(self) -> SecurityPolicy:
        """Return what the level asks for."""
        return POLICIES[self.security_level]

    @property
    def session_policy(self) -> SessionPolicy:
        """Return how long sessions last: as the level says, or shorter."""
        asked = self.policy.sessions
        shorter = {
            name: min(limit, getattr(asked, name))
            for name, limit in self.sessions
            if limit is not None
        }
        return asked.model_copy(update=shorter)


class ConfigurationSecurity(BaseInfrastructureService[SecurityConfig]):
    """Guards configuration: people log in, and each decision is on record.

    Args:
        config: Level, roles and principals; may be reloaded.
        audit: Takes a record of everything; what cannot be recorded is not done.
        accounts: Hashes of people's passwords.
        sessions: Where sessions are kept; in this process when not given.
        attempts: Where wrong passwords are counted; in this process when not given.
        passwords: Checks passwords; by the level's policy when not given.
        retention: Exports and deletes old records; when not given, all are kept.
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
        attempts: AttemptStore | None = None,
        passwords: Passwords | None = None,
        retention: Retention | None = None,
        now: Clock = utc_now,
        **options: Unpack[ServiceOptions],
    ) -> None:
        super().__init__(config, **options)
        self.audit, self.accounts = audit, accounts or MemoryAccounts()
        self.access, self._now = Access(config.access), now
        self.sessions = Sessions(config.session_policy, store=sessions, clock=now)
        self.attempts = Attempts(config.attempts, store=attempts, clock=now)
        self._own_passwords = passwords is None
        self.passwords = passwords or Passwords(config.policy.passwords)
        self.refusals = Refusals(audit, now)
        self._watch = Watch(audit, retention, config.anomalies, self._services())
        self._on_anomaly: list[Callable[[Anomaly], None]] = []
        self._found = Counter[str]()

    async def on_start(self, resources: AsyncExitStack) -> None:
        """Check the audit log's chain and learn what is usual; then watch until the end."""
        resources.callback(self.audit.close)
        resources.callback(self._watch.begin())
        resources.callback(self.refusals.flush, whole=True)
        self.checks.add(Check("audit", self._audit_writable))
        for kind in Kind:
            # A series that begins with its first finding would show no increase.
            self._counter(kind)
        await self._check_chain(learn=True)
        self.background.keep("sweep", self._repeated(lambda: self.config.sweep_every, self._sweep))
        self.background.keep("watch", self._repeated(lambda: self.config.watch_every, self._judge))
        self.background.keep("retention", self._tidy)

    async def on_prepare(self, config: SecurityConfig) -> tuple[SecurityConfig, Access]:
        """Check new rules before they come into force."""
        return config, Access(config.access)

    def on_commit(self, built: tuple[SecurityConfig, Access]) -> None:
        """Put new rules into force: for sessions that are open, too."""
        config, self.access = built
        self.sessions.policy = config.session_policy
        self.attempts.policy = config.attempts
        # The same policy keeps the same queue: a reload must not double what runs at once.
        if self._own_passwords and config.policy.passwords != self.passwords.policy:
            self.passwords = Passwords(config.policy.passwords)
        self._watch.detector.use(config.anomalies, exempt=self._services())

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
        # Before the check: guesses that come at once must not all find the account free.
        admitted = kept is not None and await self.attempts.admitted(name)
        verdict = await self.passwords.verify(kept if admitted else None, password)
        if account is None or kept is None or not verdict.fits:
            # A name that nobody has may be a password in the wrong field.
            who = "anonymous" if kept is None else name
            self.refusals.add(AuditEvent(who, "session.open", "", "denied"), durable=True)
            raise LoginError(
                "name and password do not fit",
                next_step="Try again; after many tries, wait a while.",
            )
        await self.attempts.succeeded(name)
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
        # Whoever gives a new password also lets a held account go.
        await self.attempts.succeeded(name)

    async def remove_account(self, name: str, *, actor: str) -> bool:
        """Take somebody's password away, and end their sessions; return whether there was one.

        Raises:
            AuditError: It cannot be recorded; then nothing is removed.
        """
        self.record(actor, "password.remove", "ok", f"principals:{name}")
        removed = await self.accounts.remove(name)
        await self.sessions.revoke_all(name)
        await self.attempts.succeeded(name)
        return removed

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

    # Whether that was usual, and whether all is as it must be.

    def on_anomaly(self, observer: Callable[[Anomaly], None]) -> Callable[[], None]:
        """Tell somebody of unusual access; return what ends that."""
        self._on_anomaly.append(observer)
        return lambda: self._on_anomaly.remove(observer)

    async def compliance(self, seen: Facts | None = None) -> Report:
        """Return what the level asks for, what there is, and whether they agree.

        Args:
            seen: What only others can see: revisions, secrets, services. What this service knows
                itself is filled in.
        """
        try:
            count, oldest, fault = *await asyncio.to_thread(self._watch.counted), ""
        except AuditError as error:
            count, oldest, fault = None, None, error.message
        facts = replace(
            seen or Facts(),
            access=self.access,
            sessions=self.sessions.policy,
            passwords=self.passwords.policy,
            audit_records=count,
            audit_fault=fault,
            oldest_record=oldest,
            segment=self._watch.segment,
            keep=self._watch.keep,
            anomalies=dict(self._found),
        )
        return assess(self.config.policy, facts, self._now())

    async def _check_chain(self, *, learn: bool = False) -> None:
        try:
            await asyncio.to_thread(self._watch.walk, learn=learn)
        except AuditError as error:
            # To refuse service would hide the evidence no better, and stop everybody.
            self.degrade("audit chain", error.message)
        else:
            self.recover("audit chain")

    async def _judge(self) -> None:
        await asyncio.to_thread(self.refusals.flush)
        for found in self._watch.judged():
            self._found[found.kind.value] += 1
            self._counter(found.kind).inc()
            self.log.warning(
                "unusual-access", kind=found.kind.value, actor=found.actor, text=found.text
            )
            self.audit.append(found.event(), durable=True)
            for observer in tuple(self._on_anomaly):
                observer(found)

    def _counter(self, kind: Kind) -> Any:
        counter = self.metrics.counter(ANOMALIES, "Unusual access, by kind.", ("kind",))
        return counter.labels(kind.value)

    async def _tidy(self) -> None:
        while True:
            # At the start, too: a server that is restarted often must not keep all for ever.
            await self._retain()
            await asyncio.sleep(self.config.check_every)
            await self._check_chain()

    async def _retain(self) -> None:
        try:
            await asyncio.to_thread(self._watch.retain)
        except (RetentionError, AuditError) as error:
            self.degrade("retention", error.message)
        else:
            self.recover("retention")

    async def _sweep(self) -> None:
        await self.sessions.sweep()

    def _repeated(self, every: Callable[[], float], work: Work) -> Work:
        async def repeated() -> None:
            while True:
                await asyncio.sleep(every())
                await work()

        return repeated

    def _services(self) -> frozenset[str]:
        known = self.access.rules.principals
        return frozenset(one.id for one in known if one.kind is PrincipalKind.SERVICE)
