"""The store of revisions, over a shelf of files, of rows, or in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hxp_enterprise_llm.configuration.revisions.archive import packed, unpacked
from hxp_enterprise_llm.configuration.revisions.base import (
    START,
    VERSION,
    Head,
    NewerRevisionError,
    Revision,
    RevisionError,
    Shelf,
    Signer,
    TamperedRevisionError,
    UnknownRevisionError,
    UnusableRevisionError,
)
from hxp_enterprise_llm.configuration.revisions.record import decoded, encoded, linked, signed
from hxp_enterprise_llm.configuration.snapshot import canonical, hash_of


@dataclass(frozen=True)
class Mending:
    """What restoring a backup does to a store.

    Attributes:
        taken: Records of the backup that are missing here, or damaged, by their numbers.
        aside: Numbers of own records that are damaged, or follow none any more: they are kept
            where none is looked for.
    """

    taken: Mapping[int, bytes] = field(repr=False)
    aside: tuple[int, ...] = ()


class Revisions:
    """Keeps applied configurations; several processes may use one shelf at the same time.

    The next number is whoever's writes it first; the other takes the next.

    Args:
        shelf: Where the records lie.
        of: What they are revisions of: `identity()`. Each is bound to it by its hash; those that
            say another are refused.
        signer: Signs each revision, and must have signed those that are read; None signs none.
        now: The wall clock.
    """

    def __init__(
        self,
        shelf: Shelf,
        *,
        of: str = "",
        signer: Signer | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
    ) -> None:
        self.shelf, self.of, self._signer, self._now = shelf, of, signer, now

    async def append(
        self,
        document: Mapping[str, Any],
        *,
        actor: str,
        reason: str,
        approver: str | None = None,
        source: str = "",
        holds: str = "",
    ) -> Revision:
        """Keep a document as the newest revision; return when it is on the disk.

        Args:
            document: Plain data, secrets as references.
            actor: Who applied it.
            reason: Why.
            approver: Who approved it, for dangerous changes.
            source: Text of the file that said so.
            holds: Hash of what a rollback holds back: of what the sources said then.

        Raises:
            TamperedRevisionError: The newest revision was changed; names its number.
            RevisionError: It cannot be kept, or is no plain data: a secret's value is none.
        """
        text = _text(document)
        while True:
            before = await self.latest()
            new = Revision(
                number=before.number + 1 if before else 1,
                id=hash_of(text),
                made_at=self._now(),
                actor=actor,
                reason=reason,
                approver=approver,
                parent=before.hash if before else START,
                hash="",
                signature=None,
                text=text,
                source=source,
                version=VERSION,
                of=self.of,
                holds=holds,
            )
            new = signed(new, self._signer)
            if await self.shelf.add({new.number: encoded(new)}):
                return new

    async def latest(self, below: int | None = None) -> Revision | None:
        """Return the newest revision; None of an empty store.

        Args:
            below: Only of those with a smaller number.

        Raises:
            TamperedRevisionError: It was changed; names its number.
        """
        newest = await self.shelf.newest(below)
        return self._decoded(*newest) if newest is not None else None

    async def get(self, number: int) -> Revision:
        """Return a revision.

        Raises:
            UnknownRevisionError: There is none of that number.
            TamperedRevisionError: It was changed; names its number.
        """
        record = await self.shelf.read(number)
        if record is not None:
            return self._decoded(number, record)
        newest = await self.shelf.newest()
        known = f"There are 1 to {newest[0]}." if newest is not None else "There is none yet."
        if newest is not None and 0 < number < newest[0]:
            raise TamperedRevisionError(number, self.shelf.name, "is missing")
        raise UnknownRevisionError(f"there is no revision {number}", next_step=known)

    async def history(
        self, *, limit: int | None = None, before: int | None = None
    ) -> tuple[Revision, ...]:
        """Return revisions, the newest first, each checked against the one before it.

        Args:
            limit: How many at most; all when not given.
            before: Only those with a smaller number: for the next page.

        Raises:
            TamperedRevisionError: One was changed or taken out; names its number.
        """
        last = before - 1 if before is not None else await self._last()
        first = max(1, last - limit + 1) if limit is not None else 1
        # One more: the oldest that is shown must follow what is not shown.
        chain = await self._chain(first - 1, last)
        return tuple(item for item in reversed(chain) if item.number >= first)

    async def verify(self, noted: Head | None = None) -> Head | None:
        """Check the whole chain; return its head, None of an empty store.

        Args:
            noted: A head that was noted elsewhere; it must be in the chain.

        Raises:
            TamperedRevisionError: One was changed, taken out or cut off; names its number.
        """
        chain = await self._chain()
        if noted is not None and all(item.head != noted for item in chain):
            raise TamperedRevisionError(
                noted.number, self.shelf.name, "is not the one that was noted"
            )
        return chain[-1].head if chain else None

    async def backup(self) -> bytes:
        """Return all revisions as one file, with a checksum.

        Raises:
            TamperedRevisionError: One was changed; a backup never hides that.
        """
        return packed(await self._chain())

    async def restore(self, archive: bytes) -> int:
        """Take over the revisions of a backup that are missing or damaged here; return how many.

        As `mending` says; nothing is written before all is checked.

        Raises:
            TamperedRevisionError: The backup was changed; names the number.
            ForeignRevisionError: It is of another environment or document.
            RevisionError: It is no backup, or of another history.
        """
        mending = await self.mending(archive)
        await self.mend(mending)
        return len(mending.taken)

    async def mending(self, archive: bytes) -> Mending:
        """Return what restoring a backup would do; change nothing.

        Own revisions that are good must be the backup's too, or follow its last one. Those that
        are damaged, and those that follow a damaged one that the backup has not, go aside.

        Raises:
            TamperedRevisionError: The backup was changed; names the number.
            ForeignRevisionError: It is of another environment or document.
            NewerRevisionError: An own revision is of a version that is not known.
            RevisionError: It is no backup, or of another history.
        """
        chain = self._linked(unpacked(archive), "the backup")
        good, aside = await self._own()
        for revision in chain:
            if revision.number in good and good[revision.number].hash != revision.hash:
                raise RevisionError(
                    f"revision {revision.number} of {self.shelf.name} is another than the backup's",
                    next_step="Restore into an empty store, or take a backup of this one.",
                )
        taken = {item.number: encoded(item) for item in chain if item.number not in good}
        last = chain[-1] if chain else None
        for number in sorted(set(good) - {item.number for item in chain}):
            try:
                last = linked(good[number], last, self.shelf.name)
            except TamperedRevisionError:
                aside.add(number)
        if aside and not chain:
            raise RevisionError(
                f"the backup holds no revision, and {self.shelf.name} has damaged ones",
                next_step="Give another backup.",
            )
        return Mending(taken, tuple(sorted(aside)))

    async def mend(self, mending: Mending) -> str:
        """Do it; return where what was damaged lies now, empty when nothing was.

        Raises:
            RevisionError: The store cannot be written, or somebody else wrote it.
        """
        place = ""
        if mending.aside:
            mark = f"{self._now():%Y%m%dT%H%M%S%fZ}"
            place = await self.shelf.set_aside(mending.aside, mark)
        if mending.taken and not await self.shelf.add(mending.taken):
            raise RevisionError(
                f"{self.shelf.name} was written at the same time", next_step="Restore again."
            )
        return place

    async def _own(self) -> tuple[dict[int, Revision], set[int]]:
        """Return the revisions that are good each by itself, and the numbers of all others."""
        good: dict[int, Revision] = {}
        bad: set[int] = set()
        below: int | None = None
        while True:
            try:
                revision = await self.latest(below)
            except NewerRevisionError:
                raise
            except UnusableRevisionError as error:
                below = error.number
                bad.add(below)
                continue
            if revision is None:
                return good, bad
            below = revision.number
            good[below] = revision

    async def _last(self) -> int:
        newest = await self.shelf.newest()
        return newest[0] if newest is not None else 0

    async def _chain(self, first: int = 1, last: int | None = None) -> list[Revision]:
        """Return checked revisions, the oldest first; number 1 must follow nothing."""
        last = await self._last() if last is None else last
        return self._linked(await self.shelf.span(first, last), self.shelf.name, first)

    def _linked(self, records: Mapping[int, bytes], where: str, first: int = 1) -> list[Revision]:
        chain: list[Revision] = []
        for number in sorted(records):
            revision = decoded(number, records[number], where, self._signer, self.of)
            if chain or first <= 1:
                linked(revision, chain[-1] if chain else None, where)
            elif number != first:
                raise TamperedRevisionError(first, where, "is missing")
            chain.append(revision)
        return chain

    def _decoded(self, number: int, record: bytes) -> Revision:
        return decoded(number, record, self.shelf.name, self._signer, self.of)


def _text(document: Mapping[str, Any]) -> bytes:
    try:
        return canonical(document)
    except (TypeError, ValueError):
        raise RevisionError(
            "a configuration with more than plain data cannot be stored",
            next_step="Give `document_of(config)`, where secrets are references.",
        ) from None
