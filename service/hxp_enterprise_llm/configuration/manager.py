"""Keeps one configuration in force: immutable snapshots, reloads that take all or nothing.

A reload reads, parses, migrates, validates, asks for approval, resolves secrets, builds, probes and
records the new configuration while the old one serves; then it swaps one pointer, tells everybody,
and probes again. Whatever fails before the swap changes nothing; what fails after it is undone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.approval import require_approval
from hxp_enterprise_llm.configuration.cache import CacheCounts, TtlCache
from hxp_enterprise_llm.configuration.candidate import (
    Candidates,
    Migrate,
    Resolver,
    said_by,
    watched,
)
from hxp_enterprise_llm.configuration.diff import Change, between
from hxp_enterprise_llm.configuration.exchange import (
    SYSTEM,
    Exchange,
    Probe,
    Store,
    Subscriber,
)
from hxp_enterprise_llm.configuration.explain import Explanation, find
from hxp_enterprise_llm.configuration.phases import (
    UNDONE,
    ManagerHealth,
    NotLoadedError,
    Outcome,
    Phase,
    PhaseError,
    Reload,
    ReloadError,
    StaleError,
)
from hxp_enterprise_llm.configuration.pipeline import Judge, Loaded
from hxp_enterprise_llm.configuration.series import ConfigurationMetrics
from hxp_enterprise_llm.configuration.snapshot import Snapshot, document_of
from hxp_enterprise_llm.configuration.sources.base import Source
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.configuration.standing import Standing
from hxp_enterprise_llm.configuration.start import Start
from hxp_enterprise_llm.configuration.watcher import Watcher, WatchSettings
from hxp_enterprise_llm.core.exceptions import RefusedError
from hxp_enterprise_llm.core.metrics import MetricsRegistry
from hxp_enterprise_llm.core.reload import Reloadable
from hxp_enterprise_llm.utilities.logging import Logger, get_logger

ModelT = TypeVar("ModelT", bound=BaseModel)
EntryT = TypeVar("EntryT")


@dataclass(frozen=True, slots=True)
class ManagerSettings:
    """How a manager works.

    Attributes:
        timeout: Seconds that one phase may take: a source, a probe, a subscriber that hangs.
        cache_ttl: Seconds that a looked-up value is kept.
        cache_entries: How many are kept.
        watch: How changes are noticed.
    """

    timeout: float = 30.0
    cache_ttl: float = 60.0
    cache_entries: int = 4096
    watch: WatchSettings = field(default_factory=WatchSettings)


def _utc_now() -> datetime:
    return datetime.now(tz=UTC)


class ConfigurationManager(Generic[ModelT]):
    """The configuration of one process, from its sources, as snapshots of a frozen model.

    Reading is `manager.snapshot.config`: one attribute, no lock, no call. Keep the snapshot to the
    end of one piece of work; the next may see another.

    Args:
        model: A frozen pydantic model.
        sources: Lowest first; the order is the precedence. They are read at the first `load`.
        name: For logs, metrics and errors.
        migrate: Brings a document of an older version to the model's.
        judge: Runs rules, such as `loader.judge`.
        store: Keeps every applied configuration; None keeps none.
        resolver: Returns the value of a reference; None leaves secrets unresolved.
        parts: Services that build a configuration before it is swapped in.
        probe: Asks the built configuration before the swap.
        verify: Asks after it; when it fails, the old configuration is put back.
        drain: Ends what still uses the old one.
        settings: How the manager works.
        metrics: What it counts with; share one between the managers of a process.
        logger: Where events go.
        clock: Seconds that never jump.
        now: The wall clock, for the record.
    """

    snapshot: Snapshot[ModelT]
    """What serves; raises NotLoadedError before the first load."""

    def __init__(
        self,
        model: type[ModelT],
        sources: Sequence[Source],
        *,
        name: str = "configuration",
        migrate: Migrate | None = None,
        judge: Judge[ModelT] | None = None,
        store: Store | None = None,
        resolver: Resolver | None = None,
        parts: Iterable[Reloadable[ModelT]] = (),
        probe: Probe[ModelT] | None = None,
        verify: Probe[ModelT] | None = None,
        drain: Probe[ModelT] | None = None,
        settings: ManagerSettings | None = None,
        metrics: ConfigurationMetrics | None = None,
        logger: Logger | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        if not model.model_config.get("frozen"):
            raise TypeError(f"{model.__name__} is not frozen: add ConfigDict(frozen=True) to it")
        self.model, self.name = model, name
        self.settings = settings or ManagerSettings()
        self._sources = tuple(sources)
        self._candidates = Candidates(model, name, migrate, judge, resolver, self.settings.timeout)
        self._store = store
        self._series = metrics or ConfigurationMetrics()
        self._log = logger or get_logger("configuration", manager=name)
        self._clock, self._now = clock, now
        self._lock = asyncio.Lock()
        self._number = 0
        self._previous: Snapshot[ModelT] | None = None
        self._seen = ""
        self._held: str | None = None
        self._from_sources: Snapshot[ModelT] | None = None
        self._cache: TtlCache[str, Any] = TtlCache(
            self.settings.cache_ttl, self.settings.cache_entries, clock=clock
        )
        self._series.cache(name, lambda: self._cache.counts.hit_rate)
        self._standing = Standing(self.name, self._series, self._log, self._clock, now)
        self._exchange = Exchange(
            self._point,
            name=name,
            parts=parts,
            probe=probe,
            verify=verify,
            drain=drain,
            store=store,
            timeout=self.settings.timeout,
            metrics=self._series,
            logger=self._log,
            now=now,
        )
        self._start = Start(
            model,
            self._candidates,
            self._exchange,
            self._standing,
            clock,
            self._candidate,
            self._made,
        )

    if not TYPE_CHECKING:

        def __getattr__(self, attribute: str) -> Any:
            if attribute == "snapshot":
                raise NotLoadedError(
                    f"{self.name} is not loaded yet", next_step="Await load() of its manager first."
                )
            raise AttributeError(attribute)

    async def load(self, *, reason: str = "start", actor: str = SYSTEM) -> Snapshot[ModelT]:
        """Read the sources, if that was not done yet, and return what serves.

        The newest revision of the store serves instead where they cannot be used, ask for a
        dangerous change that nobody approved, or say what was rolled back; where that revision
        was tampered with, the last good one, unless the sources say the same.

        Raises:
            ReloadError: There is nothing to serve.
        """
        async with self._lock:
            if not self._number:
                await self._first(reason, actor)
            return self.snapshot

    async def reload(
        self, *, reason: str, actor: str, approver: str | None = None
    ) -> Reload[ModelT]:
        """Take what the sources say now, or leave everything as it is.

        Args:
            reason: Why; dangerous changes need one.
            actor: Who asks.
            approver: Who approved; for dangerous changes somebody else than the actor.

        Raises:
            ReloadError: It was not taken; names the phase and the cause.
        """
        return await self._reload(reason, actor, approver, asked=True)

    async def plan(self, *extra: Source) -> tuple[Change, ...]:
        """Return what a reload would change, with the effect of each change; change nothing.

        Args:
            extra: Sources to lay over the manager's own: a file that somebody proposes.

        Raises:
            ReloadError: The sources cannot be used.
        """
        current = self.snapshot
        try:
            layers, _ = await self._candidates.read((*self._sources, *extra))
            loaded = await self._candidates.compile(layers)
        except PhaseError as error:
            raise ReloadError(self.name, error.phase, error.cause) from error.cause
        return between(current.document, document_of(loaded.config), self.model)

    async def restore(
        self,
        document: Mapping[str, Any],
        *,
        label: str,
        reason: str,
        actor: str,
        approver: str | None = None,
    ) -> Reload[ModelT]:
        """Put an older document back in force: a stored revision.

        It must fit the model; rules do not stop what served before. What the sources say now is
        held back until they say something else, or `reload` asks for it: also by a later start,
        where there is a store.

        Args:
            document: Plain data, secrets as references.
            label: How `explain` names it: `revision 7`.
            reason: Why.
            actor: Who asks.
            approver: Who approved, where a change is dangerous.

        Raises:
            NotLoadedError: Nothing serves yet: `load` comes first.
            ReloadError: It was not taken.
        """
        _ = self.snapshot
        async with self._lock:
            layer = await MemorySource(label, document, actor=actor).read()
            began = self._clock()
            with self._failing():
                loaded = await self._candidates.compile([layer], judged=False)
                new = await self._made(loaded, reason, actor, approver)
                said = self._from_sources
                if said is not None and said.revision != new.revision:
                    new = replace(new, holds=said.said)
                reload = await self._apply(self.snapshot, new)
            self._held = said.said if said is not None else None
            self._standing.took(reload, began)
            return reload

    async def rollback(
        self,
        revision: int | None = None,
        *,
        reason: str,
        actor: str,
        approver: str | None = None,
    ) -> Reload[ModelT]:
        """Put back what served before the newest change, or a stored revision.

        Args:
            revision: Number of a revision of the store.
            reason: Why.
            actor: Who asks.
            approver: Who approved, where a change is dangerous.

        Raises:
            RefusedError: There is no such revision, or nothing served before.
            ReloadError: It was not taken.
        """
        if revision is not None and self._store is not None:
            label, document = f"revision {revision}", (await self._store.get(revision)).document
        elif revision is None and self._previous is not None:
            label, document = f"snapshot {self._previous.number}", self._previous.document
        else:
            raise RefusedError(
                f"{self.name} has {'no older snapshot' if revision is None else 'no store'}",
                next_step="Restore a stored revision." if revision is None else "Give it a store.",
            )
        return await self.restore(
            document, label=label, reason=reason, actor=actor, approver=approver
        )

    def subscribe(self, subscriber: Subscriber[ModelT]) -> Callable[[], None]:
        """Tell somebody of each change; return what ends that.

        All are told at the same time, after the swap; one that fails hinders nobody. None may wait
        for a reload of the same manager.
        """
        return _entered(self._exchange.subscribers, subscriber)

    def attach(self, part: Reloadable[ModelT]) -> Callable[[], None]:
        """Let a service build each configuration before it is swapped in; return what ends that."""
        return _entered(self._exchange.parts, part)

    async def get(self, path: str) -> Any:
        """Return one value by its dotted path; loads at the first use.

        Raises:
            CitadelError: There is no such key; names the nearest.
        """
        return (await self.get_many((path,)))[path]

    async def get_many(self, paths: Iterable[str]) -> dict[str, Any]:
        """Return many values at once, from one snapshot; maps and lists are the caller's own.

        Raises:
            CitadelError: There is no such key; names the nearest.
        """
        if not self._number:
            await self.load()
        return deepcopy(self._cache.get_many(paths, self._values))

    def _values(self, paths: tuple[str, ...]) -> dict[str, Any]:
        document = self.snapshot.document
        return {path: find(document, path)[1] for path in paths}

    def explain(self, path: str = "") -> list[Explanation]:
        """Return value, source, file, line, revision and actor of keys, and what they overrode."""
        return self.snapshot.explain(path)

    @property
    def metrics(self) -> MetricsRegistry:
        """Return the registry of what the manager counts."""
        return self._series.metrics

    @property
    def cache(self) -> CacheCounts:
        """Return how often looked-up values were at hand."""
        return self._cache.counts

    def health(self) -> ManagerHealth:
        """Return what serves, and whether it is the newest."""
        return self._standing.health

    async def check(self) -> str:
        """Pass while the newest configuration serves: a probe for `core.health`.

        Raises:
            StaleError: An older one serves; says why.
        """
        health = self.health()
        if health.failure is not None:
            raise StaleError(health.failure.message, next_step=health.failure.next_step)
        return f"revision {self.snapshot.revision[:12]}"

    def watcher(self) -> Watcher:
        """Return what reloads on file events, each minute, and on SIGHUP, while its `run` runs."""
        paths = partial(watched, self._sources)
        return Watcher(paths, self.noticed, self.settings.watch, self._log, self._standing.watched)

    async def watch(self) -> None:
        """Load, and reload whenever a source changed, until cancelled."""
        await self.load()
        await self.watcher().run()

    async def noticed(self, cause: str) -> None:
        """Look whether something changed, and take it if it can be taken; never raise.

        Args:
            cause: `file`, `poll` or `signal`; after a signal what was rolled back is tried again.
        """
        self._series.event(self.name, cause)
        if cause == "file":
            seen = await self._candidates.seen(self._sources)
            # Files that could not be read are no others when they can.
            if seen == self._seen and not self._standing.unread:
                return
        asked = cause == "signal"
        try:
            found = await self._reload(f"noticed by {cause}", SYSTEM, None, asked=asked)
            self._standing.looked(found, asked=asked)
        except ReloadError:
            return
        except Exception:
            # Watching goes on whatever happens.
            self._log.exception("configuration.watch-failed", cause=cause)

    async def _first(self, reason: str, actor: str) -> None:
        self._held = await self._start.first(reason, actor)

    async def _reload(
        self, reason: str, actor: str, approver: str | None, *, asked: bool
    ) -> Reload[ModelT]:
        async with self._lock:
            if not self._number:
                await self._first(reason, actor)
                return Reload(Outcome.APPLIED, None, self.snapshot)
            began = self._clock()
            with self._failing():
                new = await self._candidate(reason, actor, approver)
                held = await self._start.look(self.snapshot, new, asked=asked)
                self._held = self._held if held is None else held
                other = new.revision != self.snapshot.revision
                if other and new.said == self._held and not asked:
                    self._standing.held()
                    return Reload(Outcome.HELD, self.snapshot, self.snapshot)
                reload = await self._apply(self.snapshot, new)
            self._held = None
            self._standing.took(reload, began)
            return reload

    async def _candidate(
        self, reason: str, actor: str, approver: str | None = None
    ) -> Snapshot[ModelT]:
        layers, self._seen = await self._candidates.read(self._sources)
        loaded = await self._candidates.compile(layers)
        made = await self._made(loaded, reason, actor, approver)
        self._from_sources = replace(made, said=said_by(layers))
        return self._from_sources

    async def _made(
        self, loaded: Loaded[ModelT], reason: str, actor: str, approver: str | None = None
    ) -> Snapshot[ModelT]:
        return await self._candidates.snapshot(
            loaded,
            number=self._number + 1,
            made_at=self._now(),
            actor=actor,
            reason=reason,
            approver=approver,
        )

    async def _apply(self, old: Snapshot[ModelT], new: Snapshot[ModelT]) -> Reload[ModelT]:
        if new.revision == old.revision and new.has_secrets_of(old):
            # Lines may have moved; nobody needs to hear of that.
            self.snapshot = replace(
                old, origins=new.origins, warnings=new.warnings, holds=new.holds
            )
            await self._exchange.record(self.snapshot)
            return Reload(Outcome.UNCHANGED, old, self.snapshot)
        found = between(old.document, new.document, self.model)
        require_approval(found, new)
        try:
            await self._exchange.swap(old, new)
        except PhaseError as error:
            # A stored revision that is undone changes nothing about what of the sources is held.
            if error.phase in UNDONE and new.said:
                self._held = new.said
            raise
        self._previous = old
        return Reload(Outcome.APPLIED, old, new, found)

    def _point(self, new: Snapshot[ModelT] | None) -> None:
        self._cache.clear()
        self._number = new.number if new is not None else 0
        self._standing.serves(new)
        if new is not None:
            self.snapshot = new
        else:
            del self.snapshot

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except PhaseError as error:
            raise self._standing.refused(error) from error.cause
        except Exception as error:
            # Whatever it is, the newest does not serve, and that is to be seen.
            raise self._standing.refused(PhaseError(Phase.VALIDATE, error)) from error


def _entered(entries: list[EntryT], entry: EntryT) -> Callable[[], None]:
    """Add an entry; return what takes that one out, once."""
    entries.append(entry)
    left = [entry]

    def end() -> None:
        if left and left.pop() in entries:
            entries.remove(entry)

    return end
