"""One document that is served: its manager, its revisions, and who may change it meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.configuration.candidate import Candidates
from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, Place
from hxp_enterprise_llm.configuration.diff import Change, between
from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.phases import Outcome, PhaseError, ReloadError
from hxp_enterprise_llm.configuration.revisions import Revision, Revisions, Shelf, Signer, identity
from hxp_enterprise_llm.configuration.revisions.base import UnusableRevisionError
from hxp_enterprise_llm.configuration.secrets.errors import SecretError
from hxp_enterprise_llm.configuration.series import ConfigurationMetrics
from hxp_enterprise_llm.configuration.service.errors import (
    PreconditionFailedError,
    RevisionConflictError,
    WrongNameError,
)
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey, Kind
from hxp_enterprise_llm.configuration.snapshot import Snapshot, document_of, revision_of
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.utilities.logging import Logger

_FOLLOWED = "a server that applied it"
_PROPOSED = "the proposed document"
_TIMEOUT = 30.0
_BACK = 100
"""Revisions before a bad one that are tried; with more that are bad, nothing serves."""


@dataclass(frozen=True)
class Proposal:
    """A document that was checked, and what it would change.

    Attributes:
        document: With its defaults, as it would be stored.
        id: SHA-256 of it.
        base: Number of the revision that it was compared with; 0 for none.
        changes: What differs.
        findings: Warnings about it.
    """

    document: dict[str, Any]
    id: str
    base: int
    changes: tuple[Change, ...]
    findings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class Order:
    """Who wants a change, and why.

    Attributes:
        actor: Who.
        reason: Why.
        base: The revision that it is meant to follow; None for whichever serves.
        judge: Allows the proposal or raises; returns who approved it, if anybody had to.
    """

    actor: str
    reason: str
    base: int | None
    judge: Callable[[Proposal], str | None]


@dataclass(frozen=True)
class Done:
    """What came of an order."""

    changed: bool
    revision: Revision
    changes: tuple[Change, ...] = ()
    findings: tuple[Diagnostic, ...] = ()


class OneStep:
    """A shelf that takes the one next record only: of two servers, one wins.

    Args:
        shelf: Where the records lie.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.expected = 0

    @property
    def name(self) -> str:
        """Return the shelf's name."""
        return self._shelf.name

    async def newest(self, below: int | None = None) -> tuple[int, bytes] | None:
        """Return the record with the highest number."""
        return await self._shelf.newest(below)

    async def read(self, number: int) -> bytes | None:
        """Return a record."""
        return await self._shelf.read(number)

    async def span(self, first: int, last: int) -> dict[int, bytes]:
        """Return the records from one number to another."""
        return await self._shelf.span(first, last)

    async def set_aside(self, numbers: Sequence[int], mark: str) -> str:
        """Take records away."""
        return await self._shelf.set_aside(numbers, mark)

    async def add(self, records: Mapping[int, bytes]) -> bool:
        """Add the next record.

        Raises:
            RevisionConflictError: Somebody else did.
        """
        if set(records) != {self.expected + 1} or not await self._shelf.add(records):
            raise RevisionConflictError(
                f"revision {self.expected + 1} was applied by somebody else at the same time",
                next_step="Read the document again, and apply the change to that.",
            )
        return True


class ServedDocument:
    """One document. All servers that share its shelf come to serve the same revision.

    Args:
        key: Its kind and name.
        kind: What it must be.
        shelf: Where its revisions lie.
        environment: Whose document it is: revisions are bound to it.
        signer: Signs them.
        metrics: What the manager counts with.
        logger: Where events go.
        now: The wall clock.
    """

    def __init__(
        self,
        key: DocumentKey,
        kind: Kind,
        shelf: Shelf,
        *,
        environment: str,
        signer: Signer | None,
        metrics: ConfigurationMetrics,
        logger: Logger,
        now: Callable[[], datetime],
    ) -> None:
        self.key, self.kind, self._environment = key, kind, environment
        self._step = OneStep(shelf)
        of = identity(environment, key.kind, key.name)
        self.revisions = Revisions(self._step, of=of, signer=signer, now=now)
        self._source = MemorySource(str(key))
        self._candidates: Candidates[Any] = Candidates(
            kind.model, Path(str(key)), None, kind.judge, None, _TIMEOUT
        )
        self._store = _Store(self.revisions)
        self._manager: ConfigurationManager[Any] = ConfigurationManager(
            kind.model,
            [self._source],
            name=str(key),
            judge=kind.judge,
            store=self._store,
            metrics=metrics,
            logger=logger.bind(document=str(key)),
            now=now,
        )
        self._lock = asyncio.Lock()
        self._refused = 0

    @property
    def revision(self) -> Revision | None:
        """Return the revision that serves; None of a document that is not there yet."""
        return self._store.revision

    @property
    def snapshot(self) -> Snapshot[Any]:
        """Return what serves."""
        return self._manager.snapshot

    async def follow(self, number: int) -> bool:
        """Take the newest revision if it is newer; return whether it was.

        Args:
            number: The newest number, as far as it is known.

        Raises:
            ReloadError: It cannot be used here; the old one serves on.
            TamperedRevisionError: It was changed.
        """
        if number <= max(self._serving, self._refused):
            return False
        async with self._lock:
            return await self._catch_up()

    async def fall_back(self, number: int) -> Revision | None:
        """Let the newest good revision before a bad one serve, and return it; None: there is none.

        Raises:
            CitadelError: The store is away.
        """
        async with self._lock:
            for tried in range(number - 1, max(0, number - 1 - _BACK), -1):
                try:
                    # With the one before it, so that nothing that was put in serves.
                    found = await self.revisions.history(limit=1, before=tried + 1)
                    for revision in found:
                        await self._take(revision)
                        return revision
                except (UnusableRevisionError, SecretError, ReloadError):
                    continue
        return None

    async def history(
        self, limit: int, before: int | None = None
    ) -> tuple[tuple[Revision, ...], tuple[UnusableRevisionError, ...]]:
        """Return revisions, the newest first, and what is wrong with those that are left out."""
        try:
            return await self.revisions.history(limit=limit, before=before), ()
        except UnusableRevisionError:
            return await self._one_by_one(limit, before)

    async def _one_by_one(
        self, limit: int, before: int | None
    ) -> tuple[tuple[Revision, ...], tuple[UnusableRevisionError, ...]]:
        if before is None:
            before = (await self._newest_number()) + 1
        good: list[Revision] = []
        bad: list[UnusableRevisionError] = []
        for number in range(before - 1, max(0, before - 1 - limit), -1):
            try:
                good += await self._checked(number)
            except UnusableRevisionError as error:
                bad.append(error)
        return tuple(good), tuple(bad)

    async def _checked(self, number: int) -> tuple[Revision, ...]:
        try:
            return await self.revisions.history(limit=1, before=number + 1)
        except UnusableRevisionError as error:
            if error.number == number:
                raise
            # The one before it is bad: whether this one follows it, nobody can tell.
            return (await self.revisions.get(number),)

    async def _newest_number(self) -> int:
        try:
            newest = await self.revisions.latest()
        except UnusableRevisionError as error:
            return error.number
        return newest.number if newest is not None else 0

    async def propose(
        self, proposed: Mapping[str, Any], *, judged: bool = True, actor: str = ""
    ) -> Proposal:
        """Check a document, and return what it would change.

        Raises:
            InvalidDocumentError: It has errors; names all of them.
            WrongNameError: It says that it is another document.
        """
        layer = await MemorySource(_PROPOSED, proposed, actor=actor).read()
        try:
            loaded = await self._candidates.compile([layer], judged=judged)
        except PhaseError as error:
            raise error.cause from None
        self._check_name(loaded.config)
        new = document_of(loaded.config)
        old = self.snapshot.document if self._serving else {}
        changes = between(old, new, self.kind.model)
        findings = (*loaded.warnings, *self._elsewhere(loaded.config))
        return Proposal(new, revision_of(new), self._serving, changes, findings)

    async def apply(self, proposed: Mapping[str, Any], order: Order) -> Done:
        """Put a document in force, or leave everything as it is.

        Raises:
            PreconditionFailedError: Another revision serves than the order names.
            RevisionConflictError: Another server was faster.
            CitadelError: It is not valid, or not allowed.
        """
        async with self._lock:
            await self._catch_up()
            self._match(order.base)
            proposal = await self.propose(proposed, actor=order.actor)
            approver = order.judge(proposal)
            before = self._serving
            self._source.update(proposed, revision=str(before + 1), actor=order.actor)
            return await self._done(
                proposal,
                lambda: self._manager.reload(
                    reason=order.reason, actor=order.actor, approver=approver
                ),
            )

    async def rollback(self, number: int, order: Order) -> Done:
        """Put an older revision back in force, as a new one.

        Raises:
            UnknownRevisionError: There is none of that number.
            CitadelError: As `apply`; rules do not stop what served before.
        """
        async with self._lock:
            await self._catch_up()
            self._match(order.base)
            older = await self.revisions.get(number)
            proposal = await self.propose(older.document, judged=False, actor=order.actor)
            approver = order.judge(proposal)
            done = await self._done(
                proposal,
                lambda: self._manager.rollback(
                    number, reason=order.reason, actor=order.actor, approver=approver
                ),
            )
            self._source.update(older.document, revision=str(self._serving), actor=order.actor)
            return done

    async def since(self, number: int, most: int) -> tuple[Revision, ...]:
        """Return the revisions after a number, the oldest first; the newest of too many."""
        newest = self._serving
        if newest <= number:
            return ()
        wanted = min(newest - number, most)
        found, _ = await self.history(wanted, newest + 1)
        return tuple(reversed(found))

    @property
    def _serving(self) -> int:
        revision = self._store.revision
        return revision.number if revision is not None else 0

    async def _done(self, proposal: Proposal, change: Callable[[], Any]) -> Done:
        self._step.expected = proposal.base
        try:
            reload = await change()
        except ReloadError as error:
            self._to_serving()
            raise error.cause from None
        revision = self._store.revision
        if revision is None:
            raise RevisionConflictError(f"{self.key} was not recorded")
        changed = reload.outcome is Outcome.APPLIED and revision.number > proposal.base
        changes = proposal.changes if changed else ()
        return Done(changed, revision, changes, proposal.findings)

    def _to_serving(self) -> None:
        revision = self._store.revision
        document = revision.document if revision is not None else {}
        self._source.update(document, revision=str(self._serving))

    async def _catch_up(self) -> bool:
        newest = await self.revisions.latest()
        if newest is None or newest.number <= self._serving:
            return False
        await self._take(newest)
        return True

    async def _take(self, revision: Revision) -> None:
        self._source.update(revision.document, revision=str(revision.number), actor=revision.actor)
        with self._store.following(revision):
            try:
                await self._manager.reload(
                    reason=revision.reason or _FOLLOWED,
                    actor=revision.actor,
                    # Whoever applied it was asked; between the two others may have been approved.
                    approver=revision.approver or _FOLLOWED,
                )
            except ReloadError:
                self._refused = max(self._refused, revision.number)
                self._to_serving()
                raise

    def _match(self, base: int | None) -> None:
        if base is not None and base != self._serving:
            serves = f"revision {self._serving}" if self._serving else "none yet"
            raise PreconditionFailedError(
                f"{self.key}: the change is meant for revision {base}, and {serves} serves",
                next_step="Read the document again, and apply the change to that.",
            )

    def _elsewhere(self, config: Any) -> Iterator[Diagnostic]:
        """Yield a warning about a document that says it is of another environment."""
        said = getattr(config, "environment", self._environment)
        if said != self._environment:
            place = Place(Path(str(self.key)), 1, 1, _PROPOSED)
            message = f"this service serves environment {self._environment}, not {said}."
            fix = f"Write `environment: {self._environment}`, or apply it at the other's service."
            yield Diagnostic("S002", place, ("environment",), message, fix, "warning")

    def _check_name(self, config: Any) -> None:
        said = getattr(config, self.kind.named) if self.kind.named else self.key.name
        if said != self.key.name:
            raise WrongNameError(
                f"{self.key}: `{self.kind.named}` is another name",
                next_step=f"Write {self.key.name}, or apply it under its own name.",
            )


class _Store:
    """What the manager keeps revisions in; while it follows, they are kept already."""

    def __init__(self, revisions: Revisions) -> None:
        self._revisions = revisions
        self._followed: Revision | None = None
        self.revision: Revision | None = None

    def following(self, revision: Revision) -> _Following:
        """Take one revision as stored, within the block."""
        return _Following(self, revision)

    async def get(self, number: int) -> Revision:
        """Return a revision by its number."""
        return await self._revisions.get(number)

    async def latest(self, below: int | None = None) -> Revision | None:
        """Return the revision that is followed, or that serves; an older one from the shelf."""
        if below is not None:
            return await self._revisions.latest(below)
        return self._followed or self.revision

    async def append(
        self,
        document: Mapping[str, Any],
        *,
        actor: str,
        reason: str,
        approver: str | None,
        holds: str = "",
    ) -> Revision:
        """Keep a document as the newest revision."""
        if self._followed is not None:
            return self._followed
        self.revision = await self._revisions.append(
            document, actor=actor, reason=reason, approver=approver, holds=holds
        )
        return self.revision

    def follow(self, revision: Revision | None) -> None:
        """Begin or end following."""
        self._followed = revision


@dataclass(frozen=True)
class _Following:
    """A block in which one revision counts as stored; it serves when the block ends well."""

    store: _Store
    revision: Revision

    def __enter__(self) -> None:
        self.store.follow(self.revision)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.store.follow(None)
        if kind is None:
            self.store.revision = self.revision
