"""The one way to secrets: access rules before, audit after, metrics beside each operation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from hxp_enterprise_llm.configuration.audit import AuditError, AuditEvent, AuditLog
from hxp_enterprise_llm.configuration.secrets.access import Access, Verb, denied
from hxp_enterprise_llm.configuration.secrets.backends.base import Backend, SecretInfo, Staging
from hxp_enterprise_llm.configuration.secrets.backup import Contents, Saved, pack, unpack
from hxp_enterprise_llm.configuration.secrets.cache import Cached, SecretCache
from hxp_enterprise_llm.configuration.secrets.errors import (
    AccessDeniedError,
    SecretNotFoundError,
    SecretRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.hooks import Hook
from hxp_enterprise_llm.configuration.secrets.keyring import Clock, utc_now
from hxp_enterprise_llm.configuration.secrets.metrics import SecretMetrics
from hxp_enterprise_llm.configuration.secrets.policy import SecretPolicy
from hxp_enterprise_llm.configuration.secrets.restore import (
    Restored,
    compare,
    put_back,
    refuse_foreign,
    refuse_replacing,
)
from hxp_enterprise_llm.configuration.secrets.rotation import Ages, Due, age_of, aged, ages
from hxp_enterprise_llm.configuration.secrets.rules import MadeBy, RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.values import new_value
from hxp_enterprise_llm.core.exceptions import CitadelError


@dataclass
class _Outcome:
    """How a value was come by, where that is known."""

    how: str = ""


class SecretManager:
    """Reads and writes secrets of all backends.

    An address is `SCHEME:PATH`; without a scheme it lies in the first backend.

    Args:
        backends: The backends; the first is the default one.
        access: Decides who may do what.
        audit: Takes a record of each operation, refused ones too.
        policy: Rotation, cache and transport.
        metrics: Series; of a registry of their own when not given.
        environment: Whose secrets these are; backups name it.
        hook: Runs the hooks of secrets; without it those with a hook are not rotated.
        clock: Time of now.
        monotonic: Seconds that never go backwards.
    """

    def __init__(
        self,
        backends: Iterable[Backend],
        *,
        access: Access,
        audit: AuditLog,
        policy: SecretPolicy | None = None,
        metrics: SecretMetrics | None = None,
        environment: str = "",
        hook: Hook | None = None,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backends = {backend.scheme: backend for backend in backends}
        self._default = next(iter(self._backends))
        self._access, self._audit = access, audit
        self.policy = policy or SecretPolicy()
        self.metrics = metrics or SecretMetrics()
        self._environment, self._hook = environment, hook
        self._clock, self._monotonic = clock, monotonic
        self._caches = {
            scheme: SecretCache(self.policy.cache, clock=monotonic)
            for scheme, backend in self._backends.items()
            if backend.remote
        }

    async def get(self, address: str, *, actor: str) -> Secret:
        """Return a value.

        Args:
            address: Where it lies.
            actor: Who asks: a person, a service, a command.

        Raises:
            AccessDeniedError: No rule allows it.
            SecretNotFoundError: There is none.
            BackendAwayError: The backend is away, and no value may be served in its place.
            AuditError: The read cannot be recorded; then it does not happen.
        """
        backend, path = self._find(address)
        started = self._monotonic()
        with self._recorded(actor, Verb.READ, backend, path) as outcome:
            cached = await self._read(backend, path)
            outcome.how = cached.how
        self.metrics.seconds.labels(backend.scheme).observe(self._monotonic() - started)
        return cached.value

    async def set(self, address: str, value: Secret, *, actor: str) -> SecretInfo:
        """Put a value at an address.

        Raises:
            AccessDeniedError: No rule allows it.
            SecretRefusedError: The backend is read only, or the value is empty.
            AuditError: It cannot be recorded; the text says that it has happened.
        """
        backend, path = self._find(address)
        with self._changed(actor, Verb.WRITE, backend, path):
            return await backend.set(path, value)

    async def set_rule(self, address: str, rule: RotationRule, *, actor: str) -> SecretInfo:
        """Change how a secret is renewed; its value stays.

        Raises:
            SecretRefusedError: Its backend keeps the rule elsewhere.
        """
        backend, path = self._find(address)
        with self._changed(actor, Verb.WRITE, backend, path):
            return await backend.set_rule(path, rule)

    async def info(self, address: str, *, actor: str) -> SecretInfo:
        """Return what may be shown of a secret."""
        backend, path = self._find(address)
        with self._recorded(actor, Verb.LIST, backend, path):
            return await backend.info(path)

    async def list(self, prefix: str = "", *, actor: str) -> tuple[SecretInfo, ...]:
        """Return what may be shown of all secrets below a prefix that the actor may list."""
        backend, path = self._find(prefix)
        self._record(actor, Verb.LIST, f"{backend.scheme}:{path}", "ok")
        return tuple([info async for info in self._listed(backend, path, actor)])

    async def remove(self, address: str, *, actor: str) -> None:
        """Remove a secret."""
        backend, path = self._find(address)
        with self._changed(actor, Verb.WRITE, backend, path):
            await backend.remove(path)

    async def rotate(self, address: str, *, actor: str, value: Secret | None = None) -> SecretInfo:
        """Give a secret that exists a new value: the one given, its hook's, or a random one.

        Raises:
            SecretRefusedError: Somebody gave its value, and it has no hook.
            SecretError: Its hook failed.
        """
        backend, path = self._find(address)
        with self._changed(actor, Verb.ROTATE, backend, path):
            info = await backend.info(path)
            if value is None and info.rule.hook:
                info = await self._by_hook(actor, backend, info)
            else:
                made_by = MadeBy.GIVEN if value else info.rule.made_by
                new = value or _random(backend, info)
                info = await backend.set(path, new, made_by=made_by)
        self.metrics.rotations.inc()
        return info

    async def due(self, addresses: Iterable[str] = ()) -> tuple[Due, ...]:
        """Return what is older than it may get, most overdue first; sets the metrics."""
        return (await self.look(addresses)).due

    async def look(self, addresses: Iterable[str] = ()) -> Ages:
        """Return how old all secrets of local backends and their keys are; sets the metrics.

        Args:
            addresses: What to look at beside them, such as the references of an environment. One
                that ends in `/` stands for all that its backend has below.
        """
        now, every = self._clock(), self.policy.rotate_every
        found = Ages()
        for backend in self._backends.values():
            if backend.writable and not backend.remote:
                found += await aged(backend, every, now)
        for address in dict.fromkeys(addresses):
            found += await self._looked(address, now)
        self.metrics.ages.show(found, now)
        return found

    async def _looked(self, address: str, now: datetime) -> Ages:
        every = self.policy.rotate_every
        try:
            backend, path = self._find(address)
            if backend.writable and not backend.remote:
                return Ages()
            if path.endswith("/"):
                return await ages(backend.scheme, backend.list(path), every, now)
            return age_of(address, await backend.info(path), every, now)
        except CitadelError as error:
            return Ages(failed=((address, error.message),))

    async def _by_hook(self, actor: str, backend: Backend, info: SecretInfo) -> SecretInfo:
        resource, hook = f"{backend.scheme}:{info.path}", self._hook
        if hook is None:
            raise SecretRefusedError(
                f"secret {resource} is renewed by a hook",
                next_step="Rotate it where its hook is: citadel secrets rotate.",
            )

        def work(rule: RotationRule, offered: Secret) -> Secret:
            if rule.hook != info.rule.hook:
                raise SecretRefusedError(
                    f"the rule of secret {resource} was changed meanwhile",
                    next_step="Look at it and rotate again: citadel secrets rule.",
                )
            # A hook changes something outside: what cannot be recorded does not begin.
            self._record(actor, Verb.ROTATE, resource, "begun", "hook")
            return hook(rule.hook, info.path, offered)

        fresh = Secret(new_value(info.path))
        if isinstance(backend, Staging):
            return await backend.renew(info.path, fresh, work)
        new = await asyncio.to_thread(work, info.rule, fresh)
        return await backend.set(info.path, new, made_by=info.rule.made_by)

    async def backup(self, passphrase: Secret, *, actor: str) -> bytes:
        """Return a backup of all secrets of the default backend, sealed with a passphrase."""
        backend = self._backends[self._default]
        with self._recorded(actor, Verb.BACKUP, backend, "*"):
            saved = [
                Saved(info.path, await backend.get(info.path), info.made_at, info.rule)
                async for info in backend.list()
            ]
            made = Contents(self._clock(), self._environment, tuple(saved))
            return await asyncio.to_thread(pack, made, passphrase)

    async def restore(
        self,
        data: bytes,
        passphrase: Secret,
        *,
        actor: str,
        replace: bool = False,
        foreign: bool = False,
        dry_run: bool = False,
    ) -> Restored:
        """Put a backup's secrets into the default backend, once all of it is checked.

        Args:
            data: The backup.
            passphrase: What it was sealed with.
            actor: Who asks.
            replace: Also put back what has another value now, or cannot be read any more; the
                damaged files are kept aside.
            foreign: Also take a backup of another environment.
            dry_run: Check everything and write nothing.

        Raises:
            WrongPassphraseError: The passphrase is another one.
            TamperedError: The backup was changed.
            SecretRefusedError: It is another environment's, and `foreign` is not set; or secrets
                have other values now or cannot be read, and `replace` is not set.
        """
        backend = self._backends[self._default]
        with self._recorded(actor, Verb.BACKUP, backend, "restore"):
            made = await asyncio.to_thread(unpack, data, passphrase)
            refuse_foreign(made, self._environment, allowed=foreign)
            found = await compare(backend, made)
            if not (replace or dry_run):
                refuse_replacing(found)
            if not dry_run:
                try:
                    found = await put_back(backend, made, found)
                finally:
                    for item in made.secrets:
                        self._forget(backend, item.path)
        return found

    async def check(self) -> dict[str, str]:
        """Return one line about each backend's state; raises for the first that cannot be used."""
        return {scheme: await backend.check() for scheme, backend in self._backends.items()}

    async def aclose(self) -> None:
        """Give back what backends and the audit log hold."""
        for backend in self._backends.values():
            await backend.aclose()
        self._audit.close()

    async def _listed(self, backend: Backend, prefix: str, actor: str) -> AsyncIterator[SecretInfo]:
        async for info in backend.list(prefix):
            if self._access.allowed(actor, Verb.LIST, f"{backend.scheme}:{info.path}"):
                yield info

    async def _read(self, backend: Backend, path: str) -> Cached:
        cache = self._caches.get(backend.scheme)
        if cache is None:
            return Cached(await backend.get(path), "read")
        return await cache.get(path, lambda: backend.get(path))

    def _find(self, address: str) -> tuple[Backend, str]:
        scheme, mark, path = address.partition(":")
        if not mark:
            scheme, path = self._default, address
        if {".", ".."} & set(path.split("/")):
            # Access rules are patterns of paths: a path has one spelling only.
            raise SecretRefusedError(
                f"secret {address} has . or .. in its path",
                next_step="Write the path that is meant.",
            )
        if scheme not in self._backends:
            raise SecretRefusedError(
                f"secret {scheme}:… has no backend here",
                next_step=f"There are: {', '.join(sorted(self._backends))}.",
            )
        return self._backends[scheme], path

    @contextmanager
    def _recorded(self, actor: str, verb: Verb, backend: Backend, path: str) -> Iterator[_Outcome]:
        """Check access, and write a record whatever the outcome is; no record, no result."""
        outcome = _Outcome()
        resource = f"{backend.scheme}:{path}"
        try:
            self._check_access(actor, verb, resource)
            yield outcome
        except BaseException as error:
            self._count(verb, backend, _word(error))
            self._record(actor, verb, resource, _word(error))
            raise
        self._count(verb, backend, outcome.how)
        self._record(actor, verb, resource, "ok", outcome.how)

    @contextmanager
    def _changed(self, actor: str, verb: Verb, backend: Backend, path: str) -> Iterator[None]:
        """Record a change, and forget the value read before, whatever becomes of the record."""
        changed = False
        try:
            with self._recorded(actor, verb, backend, path):
                yield
                changed = True
        except AuditError as error:
            if not changed:
                raise
            raise AuditError(
                f"secret {backend.scheme}:{path} has been changed, and that could not be "
                f"recorded: {error.message}",
                next_step=error.next_step,
            ) from None
        finally:
            # A change that failed may have come through all the same: an answer can get lost.
            self._forget(backend, path)

    def _check_access(self, actor: str, verb: Verb, resource: str) -> None:
        if not self._access.allowed(actor, verb, resource):
            raise denied(actor, verb, resource)

    def _count(self, verb: Verb, backend: Backend, outcome: str) -> None:
        if verb is Verb.READ:
            self.metrics.reads.labels(backend.scheme, outcome).inc()

    def _record(self, actor: str, verb: Verb, resource: str, outcome: str, how: str = "") -> None:
        detail = {"how": how} if how else {}
        event = AuditEvent(actor, f"secret.{verb}", resource, outcome, detail)
        durable = verb not in {Verb.READ, Verb.LIST} or self.policy.durable_reads
        self._audit.append(event, durable=durable)

    def _forget(self, backend: Backend, path: str) -> None:
        if backend.scheme in self._caches:
            self._caches[backend.scheme].forget(path)


def _word(error: BaseException) -> str:
    if isinstance(error, AccessDeniedError):
        return "denied"
    return "missing" if isinstance(error, SecretNotFoundError) else "failed"


def _random(backend: Backend, info: SecretInfo) -> Secret:
    """Return a random value for a secret.

    Raises:
        SecretRefusedError: Somebody gave the one that it has.
    """
    if info.rule.made_by is MadeBy.GIVEN:
        raise SecretRefusedError(
            f"secret {backend.scheme}:{info.path} was given by somebody: a random value would "
            "not fit what it opens",
            next_step="Give the new one: citadel secrets set; or say who makes it: citadel "
            "secrets rule … --hook PROGRAM or --generated.",
        )
    return Secret(new_value(info.path))
