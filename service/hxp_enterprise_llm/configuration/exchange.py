"""Puts a snapshot in the place of another: build, probe, record, swap, tell, probe again, drain."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.phases import Phase, PhaseError, ProbeError
from hxp_enterprise_llm.configuration.revisions.base import UnusableRevisionError
from hxp_enterprise_llm.configuration.series import ConfigurationMetrics
from hxp_enterprise_llm.configuration.snapshot import Snapshot, revision_of
from hxp_enterprise_llm.core.reload import Prepared, Reloadable
from hxp_enterprise_llm.utilities.logging import Logger

ModelT = TypeVar("ModelT", bound=BaseModel)
SYSTEM = "citadel"
"""The actor of what nobody asked for: file events, automatic rollbacks."""
AUTOMATIC = "automatic rollback of"


class StoredDocument(Protocol):
    """A revision of a store, as far as the manager reads it."""

    @property
    def number(self) -> int:
        """Return its number; the one before it has the next smaller."""

    @property
    def document(self) -> Mapping[str, Any]:
        """Return the document with its defaults, secrets as references."""

    @property
    def reason(self) -> str:
        """Return why it was applied."""

    @property
    def holds(self) -> str:
        """Return a hash of what it holds back: what the sources said when it was gone back to."""


class Store(Protocol):
    """Where applied configurations are kept: `revisions.Revisions`."""

    async def get(self, number: int) -> StoredDocument:
        """Return a revision by its number."""

    async def latest(self, below: int | None = None) -> StoredDocument | None:
        """Return the newest revision, of those with a smaller number; None when there is none."""

    async def append(
        self,
        document: Mapping[str, Any],
        *,
        actor: str,
        reason: str,
        approver: str | None,
        holds: str,
    ) -> Any:
        """Keep a document as the newest revision."""


Subscriber = Callable[[Snapshot[ModelT], Snapshot[ModelT]], Awaitable[None] | None]
"""Told of each change: the old snapshot and the new one, after the swap."""
Probe = Callable[[Snapshot[ModelT]], Awaitable[bool | None]]
"""Passes by returning; fails by raising or by False."""


_Built = tuple[Reloadable[ModelT], Prepared[ModelT]]


class Exchange(Generic[ModelT]):
    """The second half of a reload.

    Args:
        point: Sets the one pointer that all readers read; None takes it away.
        name: Of the manager.
        parts: Services that build a configuration before it is swapped in.
        probe: Asks the built configuration before the swap.
        verify: Asks after it.
        drain: Ends what still uses the old one.
        store: Keeps every applied configuration.
        timeout: Seconds that a part, a probe or a subscriber may take.
        metrics: What is counted with.
        logger: Where events go.
        now: The wall clock.
    """

    def __init__(
        self,
        point: Callable[[Snapshot[ModelT] | None], None],
        *,
        name: str,
        parts: Iterable[Reloadable[ModelT]],
        probe: Probe[ModelT] | None,
        verify: Probe[ModelT] | None,
        drain: Probe[ModelT] | None,
        store: Store | None,
        timeout: float,
        metrics: ConfigurationMetrics,
        logger: Logger,
        now: Callable[[], datetime],
    ) -> None:
        self._point, self.name = point, name
        self.parts = list(parts)
        self.subscribers: list[Subscriber[ModelT]] = []
        self._recorded: tuple[str, str] | None = None
        self._probe, self._verify, self._drain = probe, verify, drain
        self._store, self._timeout = store, timeout
        self._metrics, self._log, self._now = metrics, logger, now

    async def first(self, new: Snapshot[ModelT], *, record: bool = True) -> None:
        """Put the first snapshot in force; there is none to go back to.

        Args:
            new: The snapshot.
            record: Whether it is kept in the store before.

        Raises:
            PhaseError: It cannot serve.
        """
        built = await self._ready(new, record=record)
        try:
            self._put(new, built)
            await self._ask(self._verify, new, Phase.VERIFY)
        except BaseException:
            self._point(None)
            raise

    async def swap(
        self, old: Snapshot[ModelT], new: Snapshot[ModelT], *, record: bool = True
    ) -> None:
        """Put a snapshot in the place of another, or leave that in its place.

        Args:
            old: What serves.
            new: What shall.
            record: Whether it is kept in the store before.

        Raises:
            PhaseError: The old one serves on, or again.
        """
        built = await self._ready(new, record=record)
        try:
            self._put(new, built)
            await self._tell(old, new)
            await self._ask(self._verify, new, Phase.VERIFY)
        except PhaseError:
            await _to_its_end(self._back(old, new, holds=new.said or old.holds))
            raise
        except BaseException:
            # Nothing that nobody verified stays in force: not after a cancellation either.
            await _to_its_end(self._back(old, new, holds=old.holds))
            raise
        await self._end(old)

    async def _ready(self, new: Snapshot[ModelT], *, record: bool = True) -> list[_Built[ModelT]]:
        """Do all that can fail before the swap."""
        built = await self._build(new)
        try:
            await self._ask(self._probe, new, Phase.PROBE)
            if record:
                await self.record(new)
        except BaseException:
            await self._abandon(built)
            raise
        return built

    async def _build(self, new: Snapshot[ModelT]) -> list[_Built[ModelT]]:
        built: list[_Built[ModelT]] = []
        try:
            for part in self.parts:
                async with asyncio.timeout(self._timeout):
                    built.append((part, await part.prepare(new.config)))
        except BaseException as error:
            await self._abandon(built)
            if isinstance(error, Exception):
                raise PhaseError(Phase.BUILD, error) from error
            raise
        return built

    async def _abandon(self, built: list[_Built[ModelT]]) -> None:
        for part, prepared in reversed(built):
            try:
                await part.abandon(prepared)
            except Exception:
                self._log.exception("configuration.abandon-failed")

    async def _ask(self, probe: Probe[ModelT] | None, new: Snapshot[ModelT], phase: Phase) -> None:
        if probe is None:
            return
        try:
            async with asyncio.timeout(self._timeout):
                passed = await probe(new)
        except Exception as error:
            raise PhaseError(phase, error) from error
        if passed is False:
            raise PhaseError(phase, ProbeError("the probe said no"))

    async def record(self, new: Snapshot[ModelT]) -> None:
        """Keep a snapshot in the store before it serves, so that none serves unrecorded.

        Raises:
            PhaseError: The store did not take it.
        """
        if self._store is None or (new.revision, new.holds) == self._recorded:
            return
        try:
            async with asyncio.timeout(self._timeout):
                await self._store.append(
                    new.document,
                    actor=new.actor,
                    reason=new.reason,
                    approver=new.approver,
                    holds=new.holds,
                )
        except Exception as error:
            raise PhaseError(Phase.RECORD, error) from error
        self._recorded = (new.revision, new.holds)

    def is_recorded(self, stored: StoredDocument) -> None:
        """Note what the newest revision of the store is: nobody records it again."""
        self._recorded = (revision_of(stored.document), stored.holds)

    async def record_rollback(self, back: Snapshot[ModelT]) -> None:
        """Keep what was gone back to, if the store takes it; it serves in any case."""
        try:
            await self.record(back)
        except PhaseError as error:
            self._log.error("configuration.rollback-unrecorded", error=type(error.cause).__name__)

    async def last_good(self) -> tuple[StoredDocument | None, Exception | None]:
        """Return the newest revision that can be used, and why that is not the newest of all."""
        if self._store is None:
            return None, None
        try:
            async with asyncio.timeout(self._timeout):
                return await self._store.latest(), None
        except UnusableRevisionError as error:
            return await self._below(self._store, error.number), error
        except Exception as error:
            return None, error

    async def _below(self, store: Store, number: int) -> StoredDocument | None:
        while number > 1:
            try:
                async with asyncio.timeout(self._timeout):
                    return await store.latest(number)
            except UnusableRevisionError as error:
                self._log.error("configuration.revision-unusable", number=error.number)
                number = min(number - 1, error.number)
            except Exception:
                self._log.exception("configuration.older-unreadable", below=number)
                return None
        return None

    async def unseen(self) -> StoredDocument | None:
        """Return the newest revision where it is another than was kept or read last.

        Somebody else who has the same store kept it. What is wrong with the store is told when
        something is kept.
        """
        if self._store is None or self._recorded is None:
            return None
        try:
            async with asyncio.timeout(self._timeout):
                newest = await self._store.latest()
        except Exception:
            return None
        if newest is None or (revision_of(newest.document), newest.holds) == self._recorded:
            return None
        return newest

    async def older(self, stored: StoredDocument) -> StoredDocument | None:
        """Return the revision before a stored one; None where there is none that can be read."""
        return await self._below(self._store, stored.number) if self._store is not None else None

    def _put(self, new: Snapshot[ModelT], built: list[_Built[ModelT]]) -> None:
        """Put a snapshot in force; no await in here, so no request sees half of it."""
        self._point(new)
        try:
            for part, prepared in built:
                part.commit(prepared)
        except Exception as error:
            raise PhaseError(Phase.SWAP, error) from error

    async def _tell(self, old: Snapshot[ModelT], new: Snapshot[ModelT]) -> None:
        await asyncio.gather(
            *(self._tell_one(subscriber, old, new) for subscriber in tuple(self.subscribers))
        )

    async def _tell_one(
        self, subscriber: Subscriber[ModelT], old: Snapshot[ModelT], new: Snapshot[ModelT]
    ) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                told = subscriber(old, new)
                if inspect.isawaitable(told):
                    await told
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            self._metrics.subscriber_failed(self.name)
            self._log.exception("configuration.subscriber-failed", revision=new.revision)

    async def _back(self, old: Snapshot[ModelT], failed: Snapshot[ModelT], *, holds: str) -> None:
        """Put the old snapshot back after a probe said no to the new one.

        Args:
            old: What served.
            failed: What did not pass.
            holds: What of the sources is held back from now on, by a later start too.
        """
        back = replace(
            old,
            number=failed.number + 1,
            made_at=self._now(),
            actor=SYSTEM,
            reason=rollback_of(failed),
            approver=None,
            holds=holds,
        )
        try:
            self._put(back, await self._build(back))
        except PhaseError as error:
            self._put(back, [])
            self._log.error("configuration.rollback-incomplete", phase=error.phase)
        await self._tell(failed, back)
        await self.record_rollback(back)
        self._metrics.reloaded(self.name, "rolled-back")
        self._log.warning(
            "configuration.rolled-back", from_revision=failed.revision, revision=back.revision
        )

    async def _end(self, old: Snapshot[ModelT]) -> None:
        if self._drain is None:
            return
        try:
            async with asyncio.timeout(self._timeout):
                await self._drain(old)
        except Exception:
            self._log.exception("configuration.drain-failed", revision=old.revision)


def rollback_of(failed: Snapshot[ModelT]) -> str:
    """Return the reason of a rollback that nobody asked for."""
    return f"{AUTOMATIC} {failed.revision[:12]}"


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await something that no cancellation cuts short; raise the cancellation afterwards."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
