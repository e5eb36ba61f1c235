"""The one way to secrets: access rules before, audit after, metrics beside each operation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from hxp_enterprise_llm.configuration.audit import AuditEvent, AuditLog
from hxp_enterprise_llm.configuration.secrets.access import Access, Verb, denied
from hxp_enterprise_llm.configuration.secrets.backends.base import Backend, SecretInfo
from hxp_enterprise_llm.configuration.secrets.backup import Saved, pack, unpack
from hxp_enterprise_llm.configuration.secrets.cache import Cached, SecretCache
from hxp_enterprise_llm.configuration.secrets.errors import (
    AccessDeniedError,
    SecretNotFoundError,
    SecretRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.keyring import Clock, utc_now
from hxp_enterprise_llm.configuration.secrets.metrics import SecretMetrics
from hxp_enterprise_llm.configuration.secrets.policy import SecretPolicy
from hxp_enterprise_llm.configuration.secrets.rotation import Due, ages
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.values import new_value


@dataclass(frozen=True)
class Restored:
    """What a restore did, or would do; all are paths.

    Attributes:
        made_at: When the backup was made.
        new: Were missing.
        same: Have this value already.
        other: Had another value.
    """

    made_at: datetime
    new: tuple[str, ...]
    same: tuple[str, ...]
    other: tuple[str, ...]


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
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backends = {backend.scheme: backend for backend in backends}
        self._default = next(iter(self._backends))
        self._access, self._audit = access, audit
        self.policy = policy or SecretPolicy()
        self.metrics = metrics or SecretMetrics()
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
        """
        backend, path = self._find(address)
        with self._recorded(actor, Verb.WRITE, backend, path):
            info = await backend.set(path, value)
        self._forget(backend, path)
        return info

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
        with self._recorded(actor, Verb.WRITE, backend, path):
            await backend.remove(path)
        self._forget(backend, path)

    async def rotate(self, address: str, *, actor: str, value: Secret | None = None) -> SecretInfo:
        """Give a secret that exists a new value, a random one when none is given."""
        backend, path = self._find(address)
        with self._recorded(actor, Verb.ROTATE, backend, path):
            await backend.info(path)
            info = await backend.set(path, value or Secret(new_value(path)))
        self._forget(backend, path)
        self.metrics.rotations.inc()
        return info

    async def due(self) -> tuple[Due, ...]:
        """Return what is older than the policy allows, most overdue first; sets the metrics."""
        found: list[Due] = []
        oldest = timedelta()
        for scheme, backend in self._backends.items():
            if not backend.writable:
                continue
            walk = await ages(scheme, backend.list(), self.policy.rotate_every, self._clock())
            found += walk.due
            oldest = max(oldest, walk.oldest)
        self.metrics.due.set(len(found))
        self.metrics.oldest.set(oldest.total_seconds())
        return tuple(sorted(found, key=lambda item: (-item.over, item.path)))

    async def backup(self, passphrase: Secret, *, actor: str) -> bytes:
        """Return a backup of all secrets of the default backend, sealed with a passphrase."""
        backend = self._backends[self._default]
        with self._recorded(actor, Verb.BACKUP, backend, "*"):
            saved = [
                Saved(info.path, await backend.get(info.path), info.made_at)
                async for info in backend.list()
            ]
            return await asyncio.to_thread(pack, saved, passphrase, self._clock())

    async def restore(
        self,
        data: bytes,
        passphrase: Secret,
        *,
        actor: str,
        replace: bool = False,
        dry_run: bool = False,
    ) -> Restored:
        """Put a backup's secrets into the default backend, once all of it is checked.

        Args:
            data: The backup.
            passphrase: What it was sealed with.
            actor: Who asks.
            replace: Also put back what has another value now.
            dry_run: Check everything and write nothing.

        Raises:
            TamperedError: The backup was changed, or the passphrase is another one.
            SecretRefusedError: Secrets have other values now, and `replace` is not set.
        """
        backend = self._backends[self._default]
        with self._recorded(actor, Verb.BACKUP, backend, "restore"):
            made_at, saved = await asyncio.to_thread(unpack, data, passphrase)
            new, same, other = await self._compared(backend, saved)
            if other and not (replace or dry_run):
                raise SecretRefusedError(
                    f"secrets have other values now: {', '.join(item.path for item in other)}",
                    next_step="Restore over them with --replace, or rename them first.",
                )
            for item in () if dry_run else (*new, *other):
                await backend.set(item.path, item.value, made_at=item.made_at)
                self._forget(backend, item.path)
        return Restored(made_at, _paths(new), _paths(same), _paths(other))

    async def _compared(
        self, backend: Backend, saved: Sequence[Saved]
    ) -> tuple[Sequence[Saved], Sequence[Saved], Sequence[Saved]]:
        """Sort what was saved into new, same and other."""
        held: dict[str, Secret] = {}
        for item in saved:
            with suppress(SecretNotFoundError):
                held[item.path] = await backend.get(item.path)
        here = [item for item in saved if item.path in held]
        new = [item for item in saved if item.path not in held]
        same = [item for item in here if held[item.path] == item.value]
        return new, same, [item for item in here if held[item.path] != item.value]

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


def _paths(saved: Iterable[Saved]) -> tuple[str, ...]:
    return tuple(item.path for item in saved)


def _word(error: BaseException) -> str:
    if isinstance(error, AccessDeniedError):
        return "denied"
    return "missing" if isinstance(error, SecretNotFoundError) else "failed"
