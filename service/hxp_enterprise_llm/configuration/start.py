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
from hxp_enterprise_llm.configuration.exchange import (
    AUTOMATIC,
    Exchange,
    StoredDocument,
    rollback_of,
)
from hxp_enterprise_llm.configuration.phases import (
    UNDONE,
    Outcome,
    Phase,
    PhaseError,
    ProbeError,
    Reload,
)
from hxp_enterprise_llm.configuration.pipeline import Loaded
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
        if stored is not None and trouble is None:
            self.exchange.is_recorded(stored)
        new: Snapshot[ModelT] | None = None
        try:
            new = await self.candidate(reason, actor)
            if stored is not None and _holds_back(stored, new):
                served = await self._serve(stored, actor, usable=trouble is None)
                self.standing.took(Reload(Outcome.HELD, None, served), began)
                if stored.reason.startswith(AUTOMATIC):
                    self.standing.refused(PhaseError(Phase.VERIFY, _undone_before(stored)))
                self._note(trouble)
                return new.said
            self._allow(new, stored, trouble)
            await self.exchange.first(new, record=trouble is None)
        except PhaseError as error:
            undone = new if error.phase in UNDONE else None
            # What was just found to fail is not tried once more as what is stored.
            if stored is not None and undone is not None and _same(stored, undone):
                stored = await self.exchange.older(stored)
            failed = self.standing.refused(error, serving=stored is not None)
            if stored is None:
                raise failed from error.cause
            await self._serve(stored, actor, usable=trouble is None, undone=undone)
            self.standing.show()
            return undone.said if undone is not None else None
        self.standing.took(Reload(Outcome.APPLIED, None, new), began)
        self._note(trouble)
        return None

    async def _compare(self, current: Snapshot[ModelT], new: Snapshot[ModelT]) -> str | None:
        """Judge what the sources say by a store that was away at the start."""
        stored, trouble = await self.exchange.last_good()
        self.unseen = _is_away(trouble)
        if self.unseen:
            return None
        if stored is not None and trouble is None:
            self.exchange.is_recorded(stored)
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

    async def look(
        self, current: Snapshot[ModelT], new: Snapshot[ModelT], *, asked: bool
    ) -> str | None:
        """Look what others kept in the same store; return what of the sources is held back.

        Empty: nothing is any more, somebody took it elsewhere. None: as it was.

        Args:
            current: What serves.
            new: What the sources say now.
            asked: Somebody asks for it: what another rolled back is taken all the same.

        Raises:
            PhaseError: What another went back to does not pass here; or the store was away at
                the start, which would have refused what the sources say.
        """
        if self.unseen:
            return await self._compare(current, new)
        stored = await self.exchange.unseen()
        if stored is None:
            return None
        self.exchange.is_recorded(stored)
        if not stored.holds and _same(stored, new):
            return ""
        if asked or not _holds_back(stored, new):
            return None
        await self._put_back(current, stored, usable=True)
        return new.said

    def _allow(
        self, new: Snapshot[ModelT], stored: StoredDocument | None, trouble: Exception | None
    ) -> None:
        """Pass where a snapshot may follow what is stored."""
        same = stored is not None and _same(stored, new)
        if trouble is not None and not _is_away(trouble) and not same:
            # Who approved what cannot be told from a revision that somebody changed.
            raise PhaseError(Phase.RECORD, trouble)
        if stored is not None:
            require_approval(between(stored.document, new.document, self.model), new)

    def _note(self, trouble: Exception | None) -> None:
        """Note what is wrong with the store; what serves is recorded when it is whole again."""
        if trouble is not None:
            self.standing.refused(PhaseError(Phase.RECORD, trouble))

    async def _serve(
        self,
        stored: StoredDocument,
        actor: str,
        *,
        usable: bool,
        undone: Snapshot[ModelT] | None = None,
    ) -> Snapshot[ModelT]:
        """Serve the newest stored revision that passes.

        Args:
            stored: The newest that can be used.
            actor: Who starts.
            usable: Whether the store can be written; else nothing is recorded on top.
            undone: What the sources say and did not pass: it is held back from now on.
        """
        tried: StoredDocument | None = stored
        while tried is not None:
            try:
                return await self._serve_one(tried, actor, stored, undone, usable=usable)
            except PhaseError as error:
                failed = error
            # A kill between the record and the automatic rollback leaves a bad revision the newest.
            tried = await self.exchange.older(tried) if failed.phase in UNDONE else None
        raise self.standing.refused(failed, serving=False) from failed.cause

    async def _serve_one(
        self,
        tried: StoredDocument,
        actor: str,
        newest: StoredDocument,
        undone: Snapshot[ModelT] | None,
        *,
        usable: bool,
    ) -> Snapshot[ModelT]:
        is_newest = tried is newest and undone is None
        new = await self._stored(tried, actor, newest=is_newest and usable)
        if undone is not None:
            new = replace(new, reason=rollback_of(undone), holds=undone.said)
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
        if not _same(stored, current):
            back = await self._stored(stored, current.actor, newest=usable)
            await self.exchange.swap(current, back, record=usable)


def _holds_back(stored: StoredDocument, new: Snapshot[ModelT]) -> bool:
    return stored.holds == new.said and not _same(stored, new)


def _undone_before(stored: StoredDocument) -> ProbeError:
    return ProbeError(
        f"the sources say what did not pass before: {stored.reason}",
        next_step="Change what they say, or reload to try it again.",
    )


def _same(stored: StoredDocument, snapshot: Snapshot[ModelT]) -> bool:
    return revision_of(stored.document) == snapshot.revision


def _is_away(trouble: Exception | None) -> bool:
    """Return whether a store may be whole, and only cannot be reached now."""
    # Not a RevisionError: what cannot be read is there, and nobody can tell what it says.
    return isinstance(trouble, (DependencyError, OSError))
