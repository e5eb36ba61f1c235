"""The first load: what may serve, of what the sources say and of what the store holds.

A start is no way round an approval, round a rollback, or round a revision that was tampered with.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.approval import require_approval
from hxp_enterprise_llm.configuration.candidate import Candidates
from hxp_enterprise_llm.configuration.diff import between
from hxp_enterprise_llm.configuration.exchange import Exchange, StoredDocument
from hxp_enterprise_llm.configuration.phases import UNDONE, Outcome, Phase, PhaseError, Reload
from hxp_enterprise_llm.configuration.pipeline import Loaded
from hxp_enterprise_llm.configuration.revisions.base import RevisionError, UnusableRevisionError
from hxp_enterprise_llm.configuration.snapshot import Snapshot, revision_of
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.configuration.standing import Standing
from hxp_enterprise_llm.core.exceptions import DependencyError

ModelT = TypeVar("ModelT", bound=BaseModel)
_BACK = "the sources cannot be used"
_HELD = "the sources say what was rolled back"


@dataclass
class Start(Generic[ModelT]):
    """Begins one manager.

    Args:
        model: Of the configuration.
        candidates: Makes what is not in force yet.
        exchange: Puts it in force.
        standing: Is told what came of it.
        clock: Seconds that never jump.
        candidate: Returns what the sources say, by reason and actor.
        made: Returns the snapshot of a checked document, by reason and actor.
    """

    model: type[ModelT]
    candidates: Candidates[ModelT]
    exchange: Exchange[ModelT]
    standing: Standing
    clock: Callable[[], float]
    candidate: Callable[[str, str], Awaitable[Snapshot[ModelT]]]
    made: Callable[[Loaded[ModelT], str, str], Awaitable[Snapshot[ModelT]]]
    unseen: bool = field(default=False, init=False)
    """The store was away: nobody compared what serves with what it holds."""

    async def first(self, reason: str, actor: str) -> str | None:
        """Put the first snapshot in force; return what of the sources is held back.

        Raises:
            ReloadError: There is nothing to serve.
        """
        began = self.clock()
        stored, trouble = await self.exchange.last_good()
        self.unseen = _is_away(trouble)
        new: Snapshot[ModelT] | None = None
        try:
            new = await self.candidate(reason, actor)
            if stored is not None and _holds_back(stored, new):
                served = await self._serve(stored, actor, usable=trouble is None)
                self.standing.took(Reload(Outcome.HELD, None, served), began)
                self._note(trouble)
                return new.said
            self._allow(new, stored, trouble)
            await self.exchange.first(new, record=trouble is None)
        except PhaseError as error:
            failed = self.standing.refused(error, serving=stored is not None)
            if stored is None:
                raise failed from error.cause
            await self._serve(stored, actor, usable=trouble is None)
            self.standing.show()
            return new.said if new is not None and error.phase in UNDONE else None
        self.standing.took(Reload(Outcome.APPLIED, None, new), began)
        self._note(trouble)
        return None

    async def compare(self, current: Snapshot[ModelT], new: Snapshot[ModelT]) -> str | None:
        """Look what the store holds, which was away at the start; return what is held back.

        Args:
            current: What serves.
            new: What the sources say now.

        Raises:
            PhaseError: The start would have refused it; what the store holds serves.
        """
        stored, trouble = await self.exchange.last_good()
        self.unseen = _is_away(trouble)
        if self.unseen:
            return None
        try:
            if stored is not None and _holds_back(stored, new):
                await self._put_back(current, stored, usable=trouble is None)
                return new.said
            self._allow(new, stored, trouble)
        except PhaseError:
            if stored is not None:
                await self._put_back(current, stored, usable=trouble is None)
            raise
        return None

    def _allow(
        self, new: Snapshot[ModelT], stored: StoredDocument | None, trouble: Exception | None
    ) -> None:
        """Pass where a snapshot may follow what is stored."""
        same = stored is not None and revision_of(stored.document) == new.revision
        if trouble is not None and not _is_away(trouble) and not same:
            # Who approved what cannot be told from a revision that somebody changed.
            raise PhaseError(Phase.RECORD, trouble)
        if stored is not None:
            require_approval(between(stored.document, new.document, self.model), new)
            if trouble is None:
                self.exchange.is_recorded(stored)

    def _note(self, trouble: Exception | None) -> None:
        """Note what is wrong with the store; what serves is recorded when it is whole again."""
        if trouble is not None:
            self.standing.refused(PhaseError(Phase.RECORD, trouble))

    async def _serve(self, stored: StoredDocument, actor: str, *, usable: bool) -> Snapshot[ModelT]:
        """Serve the newest stored revision that passes.

        Args:
            stored: The newest that can be used.
            actor: Who starts.
            usable: Whether it is the newest of all; else nothing is recorded on top.
        """
        if usable:
            self.exchange.is_recorded(stored)
        tried: StoredDocument | None = stored
        while tried is not None:
            try:
                return await self._serve_one(tried, actor, stored, usable=usable)
            except PhaseError as error:
                failed = error
            # A kill between the record and the automatic rollback leaves a bad revision the newest.
            tried = await self.exchange.older(tried) if failed.phase in UNDONE else None
        raise self.standing.refused(failed, serving=False) from failed.cause

    async def _serve_one(
        self, tried: StoredDocument, actor: str, newest: StoredDocument, *, usable: bool
    ) -> Snapshot[ModelT]:
        is_newest = tried is newest
        new = await self._stored(tried, actor, newest=is_newest and usable)
        await self.exchange.first(new, record=is_newest and usable)
        if usable:
            await self.exchange.record_rollback(new)
        return new

    async def _stored(
        self, stored: StoredDocument, actor: str, *, newest: bool
    ) -> Snapshot[ModelT]:
        label = "newest stored revision" if newest else f"stored revision {stored.number}"
        layer = await MemorySource(label, stored.document).read()
        loaded = await self.candidates.compile([layer], judged=False)
        reason = _HELD if stored.holds else _BACK
        return replace(await self.made(loaded, reason, actor), holds=stored.holds)

    async def _put_back(
        self, current: Snapshot[ModelT], stored: StoredDocument, *, usable: bool
    ) -> None:
        if usable:
            self.exchange.is_recorded(stored)
        if revision_of(stored.document) != current.revision:
            back = await self._stored(stored, current.actor, newest=usable)
            await self.exchange.swap(current, back, record=usable)


def _holds_back(stored: StoredDocument, new: Snapshot[ModelT]) -> bool:
    return stored.holds == new.said and new.revision != revision_of(stored.document)


def _is_away(trouble: Exception | None) -> bool:
    """Return whether a store may be whole, and only cannot be reached now."""
    away = (DependencyError, OSError, RevisionError)
    return isinstance(trouble, away) and not isinstance(trouble, UnusableRevisionError)
