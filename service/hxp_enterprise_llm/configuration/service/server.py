"""`ConfigurationService`: the process on port 8080 that uses `ConfigurationManager`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from hxp_enterprise_llm.configuration.diff import changes
from hxp_enterprise_llm.configuration.revisions import Revision
from hxp_enterprise_llm.configuration.secrets.envelope import Keys as EnvelopeKeys
from hxp_enterprise_llm.configuration.secrets.policy import POLICIES
from hxp_enterprise_llm.configuration.secrets.rotation import keep_counted
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.watching import AgeWatch
from hxp_enterprise_llm.configuration.security.audit_keys import keyed_log
from hxp_enterprise_llm.configuration.security.retention import Retention
from hxp_enterprise_llm.configuration.security.service import (
    ConfigurationSecurity,
    SecurityConfig,
)
from hxp_enterprise_llm.configuration.security.signing import Signer
from hxp_enterprise_llm.configuration.series import ConfigurationMetrics
from hxp_enterprise_llm.configuration.service.app import build_app
from hxp_enterprise_llm.configuration.service.approvals import Approvals
from hxp_enterprise_llm.configuration.service.backend import Backend
from hxp_enterprise_llm.configuration.service.backups import Backups, seal_backup
from hxp_enterprise_llm.configuration.service.documents import Documents
from hxp_enterprise_llm.configuration.service.door import Door, Keys, keys_of
from hxp_enterprise_llm.configuration.service.errors import UnverifiedError, here
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey, Kind, kinds
from hxp_enterprise_llm.configuration.service.large import LargeBodies
from hxp_enterprise_llm.configuration.service.lately import Lately
from hxp_enterprise_llm.configuration.service.listener import Listener, bind
from hxp_enterprise_llm.configuration.service.metrics import RequestMetrics
from hxp_enterprise_llm.configuration.service.parts import Parts
from hxp_enterprise_llm.configuration.service.settings import (
    exports_of,
    retention_policy,
    security_config,
)
from hxp_enterprise_llm.configuration.service.stream import Hub
from hxp_enterprise_llm.configuration.service.trusted import FILE as KEYS
from hxp_enterprise_llm.configuration.service.trusted import TrustedSigner, trusted_signer
from hxp_enterprise_llm.core.exceptions import (
    CitadelError,
    InvalidConfigurationError,
    LifecycleError,
)
from hxp_enterprise_llm.core.health import Check
from hxp_enterprise_llm.core.infrastructure_service import BaseInfrastructureService
from hxp_enterprise_llm.core.reload import Prepared
from hxp_enterprise_llm.schemas.configuration_service import ConfigurationServiceConfig
from hxp_enterprise_llm.schemas.effect import Effect

if TYPE_CHECKING:
    from hxp_enterprise_llm.core.service import ServiceOptions

_AUDIT = "audit.jsonl"


@dataclass(frozen=True)
class _Rules:
    security: Prepared[SecurityConfig]
    keys: Keys


def _utc_now() -> datetime:
    return datetime.now(tz=UTC)


class ConfigurationService(BaseInfrastructureService[ConfigurationServiceConfig]):
    """Serves the documents of one environment; several servers over one database agree.

    Args:
        config: What its file says.
        key: The first administrator's; approvals are signed with what is derived from it.
        backend: Where revisions lie.
        signer: Signs revisions; None signs none.
        sealing: Seals stored revisions; None leaves them readable.
        audit_key: Of the audit log's chain; None makes one beside it.
        known: Kinds of documents; those of this library when not given.
        managers: What its documents are counted with; of its own registry when not given.
        now: The wall clock.
        options: What every service takes.

    Attributes:
        door: The way in, while it runs.
        port: Where it listens, while it runs.
    """

    kind = "configuration"

    def __init__(
        self,
        config: ConfigurationServiceConfig,
        *,
        key: Secret,
        backend: Backend,
        signer: Signer | None = None,
        sealing: EnvelopeKeys | None = None,
        audit_key: bytes | None = None,
        known: Mapping[str, Kind] | None = None,
        managers: ConfigurationMetrics | None = None,
        now: Callable[[], datetime] = _utc_now,
        **options: Unpack[ServiceOptions],
    ) -> None:
        super().__init__(config, **options)
        self._key, self._backend, self._signer, self._now = key, backend, signer, now
        self._sealing, self._audit_key = sealing, audit_key
        self._requests = RequestMetrics(self.metrics)
        self.managers = managers or ConfigurationMetrics(self.metrics)
        self._known = known or kinds(lambda: now().date())
        self._heard = asyncio.Event()
        self.door: Door | None = None
        self._trusted: TrustedSigner | None = None
        self._listener: Listener | None = None
        self._hub: Hub | None = None
        self.port = 0

    async def on_start(self, resources: AsyncExitStack) -> None:
        """Read all documents, then listen."""
        config, limits = self.config, self.config.limits
        state = Path(config.state)
        await asyncio.to_thread(state.mkdir, mode=0o700, parents=True, exist_ok=True)
        security = await asyncio.to_thread(self._secured, state)
        await resources.enter_async_context(security)
        self.rely_on(security)
        door = self.door = Door(security, keys_of(config, self._key))
        hub = self._hub = Hub(
            most=limits.max_watchers, buffer=limits.watch_buffer, watching=self._requests.watching
        )
        documents = await self._read(hub, state / KEYS)
        store = Lately(self._backend.check)
        resources.push_async_callback(store.end)
        self.checks.add(Check("revisions", store.check, critical=False))
        parts = Parts(
            name=self.name,
            config=config,
            sealed=self._sealing is not None,
            door=door,
            documents=documents,
            fleet=self._backend.fleet,
            hub=hub,
            approvals=Approvals(self._key, lasts=config.timeouts.approval, now=self._now),
            verifier=self._trusted.signer.verifier if self._trusted is not None else None,
            health=self.health,
            requests=self._requests,
            expose=self.metrics.expose,
            faults=self.faults,
            log=self.log,
            now=self._now,
        )
        self._work(documents)
        self._listen(parts, resources)

    async def on_drain(self) -> None:
        """End the streams, and answer what is in work."""
        if self._hub is not None:
            self._hub.close()
        if self._listener is not None:
            await self._listener.end()

    async def on_prepare(self, config: ConfigurationServiceConfig) -> _Rules:
        """Check a new configuration: principals, roles and keys are taken as it runs.

        Raises:
            InvalidConfigurationError: It changes what needs a restart.
            AccessRulesError: Roles and principals contradict each other.
        """
        differing = changes(self.config, config)
        fixed = [".".join(map(str, one.path)) for one in differing if one.effect is not Effect.LIVE]
        if fixed:
            raise InvalidConfigurationError(
                f"{', '.join(fixed)}: this change needs a restart",
                next_step="Restart the service; until then it serves as it did.",
            )
        if self.door is None:
            raise LifecycleError(f"service {self.name} does not run", next_step="Start it first.")
        security = await self.door.security.prepare(security_config(config))
        return _Rules(security, keys_of(config, self._key))

    def on_commit(self, built: _Rules) -> None:
        """Let the new rules decide from the next request on, for sessions too."""
        if self.door is not None:
            self.door.security.commit(built.security)
            self.door.keys = built.keys

    def _secured(self, state: Path) -> ConfigurationSecurity:
        settings, people = self.config.security, self._backend.people(state)
        audit = keyed_log(state / _AUDIT, self._audit_key, clock=self._now)
        exports = exports_of(settings.retention, state)
        self.checks.add(Check("audit exports", exports.check, critical=False))
        return ConfigurationSecurity(
            security_config(self.config),
            audit=audit,
            accounts=people.accounts,
            sessions=people.sessions,
            attempts=people.attempts,
            retention=Retention(
                audit, exports, retention_policy(settings.retention), clock=self._now
            ),
            now=self._now,
            name=f"{self.name}-security",
            metrics=self.metrics,
            clock=self.clock,
        )

    async def _read(self, hub: Hub, keys: Path) -> Documents:
        if self._signer is not None:
            heads = await self._backend.heads()
            self._trusted = await asyncio.to_thread(trusted_signer, keys, self._signer, heads)
        documents = self._documents(hub)
        await documents.follow()
        self.checks.add(Check("signatures", documents.check))
        self.checks.add(Check("documents", documents.newest_serve, critical=False))
        try:
            await documents.check()
        except UnverifiedError as error:
            said = {"reason": error.message, "next_step": error.next_step}
            self.log.error("nothing-verified", **said)  # noqa: TRY400 # no traceback: it says all
        return documents

    def _documents(self, hub: Hub) -> Documents:
        documents: Documents

        def told(key: DocumentKey, revision: Revision) -> None:
            hub.tell(key, revision)
            self._requests.serves(str(key), revision.number, len(documents.all()))
            self.recover(f"document {key}")

        documents = Documents(
            self._backend,
            self._known,
            environment=self.config.environment,
            most=self.config.limits.max_documents,
            told=told,
            failed=self._refused,
            mended=lambda key: self.recover(f"document {key}"),
            signer=self._trusted,
            sealing=self._sealing,
            metrics=self.managers,
            logger=self.log,
            now=self._now,
        )
        return documents

    def _refused(self, key: DocumentKey, error: CitadelError) -> None:
        self.degrade(f"document {key}", self.faults.report(error, f"follow {key}").message)

    def _backed_up(self, key: DocumentKey, error: CitadelError | None) -> None:
        if error is None:
            self.recover(f"backup {key}")
        else:
            self.degrade(f"backup {key}", self.faults.report(here(error), f"back up {key}").message)

    def _work(self, documents: Documents) -> None:
        self.background.keep("news", partial(self._backend.listen, self._heard.set))
        self.background.keep("follow", partial(self._follow, documents))
        if self.config.backup is not None:
            seal = partial(seal_backup, self._sealing, self.config.environment)
            backups = Backups(self.config.backup, documents, seal, self._backed_up, self._now)
            self.background.keep("backup", backups.run)
        if self.config.secrets is not None:
            self._show_ages(Path(self.config.secrets))

    def _show_ages(self, folder: Path) -> None:
        policy = POLICIES[self.config.security.level]
        watch = AgeWatch(folder, self.metrics.registry, policy=policy, clock=self._now)

        def told(error: Exception | None) -> None:
            if error is None:
                self.recover("secret ages")
            else:
                self.degrade("secret ages", self.faults.report(error, "look at secrets").message)

        self.background.keep("secret ages", partial(keep_counted, watch.look, told=told))

    async def _follow(self, documents: Documents) -> None:
        while True:
            await documents.follow()
            self.recover("follow")
            try:
                async with asyncio.timeout(self.config.timeouts.poll):
                    await self._heard.wait()
            except TimeoutError:
                pass
            self._heard.clear()

    def _listen(self, parts: Parts, resources: AsyncExitStack) -> None:
        bound = resources.enter_context(bind(self.config.listen))
        self.port = bound.getsockname()[1]
        listener = self._listener = Listener(LargeBodies(build_app(parts)), self.config)
        resources.push_async_callback(listener.end)
        listener.begin(bound, self.ask_stop)
        self.log.info("listening", host=self.config.listen.host, port=self.port)
