"""What every store of revisions must do: run it over each shelf."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.revisions import (
    Head,
    MemoryShelf,
    RevisionError,
    Revisions,
    Shelf,
    TamperedRevisionError,
    UnknownRevisionError,
)
from hxp_enterprise_llm.configuration.revisions.base import START, ForeignRevisionError
from hxp_enterprise_llm.configuration.revisions.record import decoded, encoded
from hxp_enterprise_llm.configuration.secrets import Secret
from hxp_enterprise_llm.configuration.snapshot import canonical, revision_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FIRST: dict[str, Any] = {"level": 1, "store": {"password": "env:STORE", "name": "größer ✓"}}

PRODUCTION = "production/gateway/main"
VERSION_1 = (
    (
        b'{"number":1,"id":"16a5197c426cd95602315f8e3673a9738175687f7f09d44ede8144b2a9be21f3",'
        b'"made_at":"2026-11-21T12:00:00+00:00","actor":"ann","reason":"old","approver":null,'
        b'"parent":"0000000000000000000000000000000000000000000000000000000000000000",'
        b'"hash":"ec8d6a23504c1e249644f0a9152ffb43ba34356dbd67ad84c6b0c03ae7fc6ef1",'
        b'"signature":null,"document":{"level":1},"source":""}'
    ),
    (
        b'{"number":2,"id":"7f10c6cbcbae34725d694cc63ec98c0c2524fd755d5d1aa730d7291e58115510",'
        b'"made_at":"2026-11-21T12:00:00+00:00","actor":"ann","reason":"older","approver":null,'
        b'"parent":"ec8d6a23504c1e249644f0a9152ffb43ba34356dbd67ad84c6b0c03ae7fc6ef1",'
        b'"hash":"00e1a2563151eb47758d825d7ce22da361b10dbfcbc3d11e08c416efb9b56071",'
        b'"signature":null,"document":{"level":2},"source":""}'
    ),
)
"""Two records as they were written before revisions were bound to what they are of."""

Overwrite = Callable[[int, bytes | None], Awaitable[None]]
"""Puts other bytes in the place of a record, past the store; None takes it away."""


class NamedSigner:
    """Signs with a name: whoever verifies knows one name only."""

    def __init__(self, name: str) -> None:
        self.name = name

    def sign(self, digest: str) -> str:
        """Return the name and the hash."""
        return f"{self.name}:{digest}"

    def verify(self, digest: str, signature: str, number: int) -> bool:
        """Return whether the signature is of this name."""
        return signature == self.sign(digest)


class RevisionContract:
    """Tests of a store; a subclass gives fixtures `shelf`, `other` (empty ones) and `overwrite`."""

    @pytest.fixture
    def store(self, shelf: Shelf) -> Revisions:
        """Return the store under test, with a clock that stands."""
        return Revisions(shelf, now=lambda: NOW)

    async def test_an_empty_store_has_no_revision(self, store: Revisions) -> None:
        assert await store.latest() is None
        assert await store.history() == ()
        assert await store.history(limit=3) == ()
        assert await store.verify() is None
        with pytest.raises(UnknownRevisionError, match="no revision 1") as caught:
            await store.get(1)
        assert caught.value.next_step == "There is none yet."

    async def test_a_revision_keeps_all_that_was_given(self, store: Revisions) -> None:
        kept = await store.append(
            FIRST, actor="ann", reason="first", approver="bob", source="level: 1 # one\n"
        )
        assert (kept.number, kept.parent, kept.made_at) == (1, START, NOW)
        assert (kept.actor, kept.reason, kept.approver) == ("ann", "first", "bob")
        assert kept.document == FIRST
        assert kept.id == revision_of(FIRST)
        assert kept.source == "level: 1 # one\n"
        assert kept.signature is None
        assert await store.get(1) == kept
        assert await store.latest() == kept

    async def test_numbers_count_up_and_each_names_the_one_before(self, store: Revisions) -> None:
        kept = [await self._add(store, level) for level in range(3)]
        assert [item.number for item in kept] == [1, 2, 3]
        assert [item.parent for item in kept] == [START, kept[0].hash, kept[1].hash]
        assert await store.history() == tuple(reversed(kept))
        assert await store.verify() == Head(3, kept[2].hash) == kept[2].head

    async def test_history_comes_in_pages(self, store: Revisions) -> None:
        for level in range(5):
            await self._add(store, level)
        pages = [
            [item.number for item in await store.history(limit=2, before=before)]
            for before in (None, 4, 2)
        ]
        assert pages == [[5, 4], [3, 2], [1]]
        assert await store.history(limit=2, before=1) == ()

    async def test_an_unknown_number_is_told_with_those_there_are(self, store: Revisions) -> None:
        await self._add(store, 1)
        for number in (0, 2, -1):
            with pytest.raises(UnknownRevisionError) as caught:
                await store.get(number)
            assert caught.value.next_step == "There are 1 to 1."

    async def test_writers_at_the_same_time_make_one_chain(self, store: Revisions) -> None:
        others = [Revisions(store.shelf, now=lambda: NOW) for _ in range(4)]
        await asyncio.gather(*(self._add(item, level) for level, item in enumerate(others * 3)))
        chain = await store.history()
        assert [item.number for item in chain] == list(range(12, 0, -1))
        assert sorted(item.document["level"] for item in chain) == sorted([*range(12)])
        await store.verify()

    async def test_a_value_of_a_secret_cannot_be_stored(self, store: Revisions) -> None:
        with pytest.raises(RevisionError, match="more than plain data") as caught:
            await store.append({"password": Secret("hunter2")}, actor="a", reason="b")
        assert "hunter2" not in str(caught.value)
        assert await store.latest() is None

    @pytest.mark.parametrize(
        "field", ["actor", "reason", "made_at", "document", "source", "approver", "hash", "number"]
    )
    async def test_a_changed_revision_is_refused_with_its_number(
        self, store: Revisions, overwrite: Overwrite, field: str
    ) -> None:
        for level in range(3):
            await self._add(store, level)
        record = json.loads(encoded(await store.get(2)))
        changed: dict[str, Any] = {
            "document": {"level": 99},
            "made_at": "2020-01-01T00:00:00+00:00",
            "number": 3,
            "approver": "eve",
        }
        record[field] = changed.get(field, "other")
        await overwrite(2, json.dumps(record).encode())
        for asked in (store.get(2), store.history(), store.verify(), store.backup()):
            with pytest.raises(
                TamperedRevisionError, match=r"revision 2 of .* was changed"
            ) as found:
                await asked
            assert found.value.number == 2
        assert (await store.get(1)).number == 1

    async def test_a_newest_revision_that_was_changed_gets_no_successor(
        self, store: Revisions, overwrite: Overwrite
    ) -> None:
        await self._add(store, 1)
        await overwrite(1, b"{half")
        with pytest.raises(TamperedRevisionError, match=r"revision 1 of .* cannot be read"):
            await self._add(store, 2)
        with pytest.raises(TamperedRevisionError, match="citadel config restore"):
            await store.latest()

    async def test_a_revision_that_was_taken_out_is_missed(
        self, store: Revisions, overwrite: Overwrite
    ) -> None:
        for level in range(3):
            await self._add(store, level)
        await overwrite(2, None)
        for asked in (store.get(2), store.history(limit=1), store.verify()):
            with pytest.raises(TamperedRevisionError, match=r"revision 2 of .* is missing"):
                await asked

    async def test_a_first_revision_that_was_taken_out_is_missed(
        self, store: Revisions, overwrite: Overwrite
    ) -> None:
        for level in range(2):
            await self._add(store, level)
        await overwrite(1, None)
        with pytest.raises(TamperedRevisionError, match=r"revision 1 of .* is missing"):
            await store.verify()

    async def test_a_forged_revision_breaks_the_chain_behind_it(
        self, store: Revisions, overwrite: Overwrite
    ) -> None:
        for level in range(3):
            await self._add(store, level)
        text = canonical({"level": 99})
        forged = replace(await store.get(2), text=text, id=revision_of({"level": 99}))
        await overwrite(2, encoded(replace(forged, hash=forged.digest())))
        with pytest.raises(TamperedRevisionError, match=r"revision 3 .* does not follow the one"):
            await store.verify()

    async def test_revisions_cut_off_at_the_end_are_missed_by_who_noted_the_head(
        self, store: Revisions, overwrite: Overwrite
    ) -> None:
        noted = [(await self._add(store, level)).head for level in range(2)]
        assert await store.verify(noted[0]) == noted[1]
        await overwrite(2, None)
        with pytest.raises(TamperedRevisionError, match=r"revision 2 of .* not the one that was"):
            await store.verify(noted[1])

    async def test_a_signing_store_takes_only_what_it_trusts(self, shelf: Shelf) -> None:
        ours = Revisions(shelf, signer=NamedSigner("ours"))
        kept = await self._add(ours, 1)
        assert kept.signature == f"ours:{kept.hash}"
        assert await ours.get(1) == kept
        await self._add(Revisions(shelf), 2)
        with pytest.raises(TamperedRevisionError, match=r"revision 2 of .* no signature"):
            await ours.latest()
        with pytest.raises(TamperedRevisionError, match=r"revision 1 of .* no signature"):
            await Revisions(shelf, signer=NamedSigner("theirs")).get(1)

    async def test_a_backup_fills_an_empty_store_and_brings_an_older_one_up(
        self, store: Revisions, other: Shelf
    ) -> None:
        restored = Revisions(other)
        kept = [await self._add(store, 1)]
        assert await restored.restore(await store.backup()) == 1
        kept.append(await self._add(store, 2))
        archive = await store.backup()
        assert await restored.restore(archive) == 1
        assert await restored.restore(archive) == 0
        assert await restored.history() == tuple(reversed(kept))
        assert await restored.backup() == archive

    @pytest.mark.parametrize("damaged", [{2}, {3}, {1, 3}, {1, 2, 3}])
    @pytest.mark.parametrize("record", [b"{}", b"", None, b'{"number": 2}'])
    async def test_a_backup_mends_damaged_revisions_and_keeps_them_aside(
        self,
        store: Revisions,
        shelf: Shelf,
        overwrite: Overwrite,
        damaged: set[int],
        record: bytes | None,
    ) -> None:
        for level in (1, 2, 3):
            await self._add(store, level)
        archive, before = await store.backup(), await store.history()
        for number in damaged:
            await overwrite(number, record)
        mending = await store.mending(archive)
        assert set(mending.taken) == damaged
        assert set(mending.aside) == (damaged if record is not None else set())
        # To look changes nothing.
        assert [await shelf.read(number) for number in damaged] == [record for _ in damaged]
        assert await store.restore(archive) == len(damaged)
        assert await store.history() == before
        await self._add(store, 4)
        assert (await store.mending(archive)).aside == ()

    async def test_what_follows_a_damaged_revision_that_no_backup_has_goes_aside(
        self, store: Revisions, overwrite: Overwrite
    ) -> None:
        await self._add(store, 1)
        await self._add(store, 2)
        archive = await store.backup()
        for level in (3, 4, 5):
            await self._add(store, level)
        assert await store.restore(archive) == 0
        assert len(await store.history()) == 5
        await overwrite(4, b"{}")
        mending = await store.mending(archive)
        assert (mending.taken, mending.aside) == ({}, (4, 5))
        assert await store.mend(mending)
        assert [item.number for item in await store.history()] == [3, 2, 1]

    async def test_a_stray_record_with_a_high_number_goes_aside(
        self, store: Revisions, shelf: Shelf
    ) -> None:
        await self._add(store, 1)
        archive = await store.backup()
        await shelf.add({20261121: b"{}"})
        assert await store.restore(archive) == 0
        assert (await self._add(store, 2)).number == 2

    async def test_an_empty_backup_mends_nothing(
        self, store: Revisions, other: Shelf, overwrite: Overwrite
    ) -> None:
        archive = await Revisions(other).backup()
        await self._add(store, 1)
        await overwrite(1, b"{}")
        with pytest.raises(RevisionError, match="the backup holds no revision"):
            await store.restore(archive)

    async def test_a_damaged_backup_is_refused_whatever_is_damaged(
        self, store: Revisions, other: Shelf
    ) -> None:
        await self._add(store, 1)
        archive = await store.backup()
        restored, harmless = Revisions(other), []
        for place in range(len(archive)):
            damaged = bytearray(archive)
            damaged[place] ^= 0x10
            try:
                await restored.restore(bytes(damaged))
            except RevisionError:
                assert await restored.latest() is None
            else:
                harmless.append(place)
                restored = Revisions(MemoryShelf())
        # Bytes of gzip's header that carry nothing here: time, flags of its author, system.
        assert set(harmless) <= {4, 5, 6, 7, 8, 9}
        with pytest.raises(RevisionError, match="is no backup of revisions, or is damaged"):
            await restored.restore(archive[:-5])

    async def test_a_backup_of_another_history_changes_nothing(
        self, store: Revisions, other: Shelf
    ) -> None:
        foreign = Revisions(other)
        await self._add(store, 1)
        await self._add(foreign, 2)
        await self._add(foreign, 3)
        with pytest.raises(RevisionError, match=r"revision 1 of .* is another than the backup's"):
            await store.restore(await foreign.backup())
        assert [item.number for item in await store.history()] == [1]

    @pytest.mark.parametrize("theirs", ["staging/gateway/main", "production/ai-model/main", ""])
    async def test_a_revision_of_another_environment_kind_or_name_is_refused(
        self, shelf: Shelf, other: Shelf, theirs: str
    ) -> None:
        ours = Revisions(shelf, of=PRODUCTION)
        for level in (1, 2):
            await self._add(ours, level)
        records, archive = await shelf.span(1, 2), await ours.backup()
        store = Revisions(other, of=theirs)
        said = f"revision 1 of .* is of {PRODUCTION}, and this is the store of {theirs or 'none'}"
        with pytest.raises(ForeignRevisionError, match=said) as found:
            await store.restore(archive)
        assert "Give the backup of this one" in found.value.next_step
        assert await store.latest() is None
        # Moved past the store, as somebody may who can write files or rows.
        await other.add(records)
        for asked in (store.get(1), store.history(), store.verify(), store.backup()):
            with pytest.raises(TamperedRevisionError, match=said):
                await asked
        for newest in (store.latest(), self._add(store, 3)):
            with pytest.raises(TamperedRevisionError, match="revision 2 of"):
                await newest
        assert await Revisions(other, of=PRODUCTION).verify() == await ours.verify()

    @pytest.mark.parametrize("field", ["of", "version"])
    @pytest.mark.parametrize("remove", [True, False])
    async def test_what_a_revision_is_of_cannot_be_changed(
        self, shelf: Shelf, overwrite: Overwrite, field: str, *, remove: bool
    ) -> None:
        await self._add(Revisions(shelf, of=PRODUCTION), 1)
        record = json.loads(await shelf.read(1) or b"")
        assert (record.pop("of"), record.pop("version")) == (PRODUCTION, 2)
        other: dict[str, Any] = {"of": "staging/gateway/main", "version": 1}
        kept = {"of": PRODUCTION, "version": 2} | {field: other[field]}
        if remove:
            del kept[field]
        await overwrite(1, json.dumps(record | kept).encode())
        for of in (PRODUCTION, "staging/gateway/main", ""):
            with pytest.raises(TamperedRevisionError, match=r"revision 1 of .* was changed"):
                await Revisions(shelf, of=of).latest()

    async def test_revisions_of_version_1_are_read_and_followed_by_bound_ones(
        self, shelf: Shelf, overwrite: Overwrite
    ) -> None:
        await shelf.add(dict(enumerate(VERSION_1, start=1)))
        store = Revisions(shelf, of=PRODUCTION)
        assert [item.version for item in await store.history()] == [1, 1]
        new = await self._add(store, 3)
        assert (new.version, new.of, new.parent) == (2, PRODUCTION, (await store.get(2)).hash)
        assert await store.verify() == new.head
        changed = VERSION_1[1].replace(b'"older"', b'"newer"')
        await overwrite(2, changed)
        with pytest.raises(TamperedRevisionError, match=r"revision 2 of .* was changed"):
            await store.verify()

    async def test_a_revision_of_version_1_follows_no_bound_one(self, shelf: Shelf) -> None:
        store = Revisions(shelf, of=PRODUCTION)
        first = await self._add(store, 1)
        forged = replace(first, number=2, parent=first.hash, version=1, of="")
        await shelf.add({2: encoded(replace(forged, hash=forged.digest()))})
        with pytest.raises(TamperedRevisionError, match=r"revision 2 .* is of an older version"):
            await store.verify()

    async def test_a_revision_of_an_unknown_version_is_told(
        self, store: Revisions, overwrite: Overwrite
    ) -> None:
        new = replace(await self._add(store, 1), version=3)
        await overwrite(1, encoded(replace(new, hash=new.digest())))
        with pytest.raises(RevisionError, match="of version 3; this citadel knows 1 to 2") as found:
            await store.latest()
        assert not isinstance(found.value, TamperedRevisionError)
        assert "Use the version of citadel that wrote it" in found.value.next_step

    async def test_a_record_under_another_number_is_refused(self, store: Revisions) -> None:
        kept = await self._add(store, 1)
        with pytest.raises(TamperedRevisionError, match="revision 2 of here was changed"):
            decoded(2, encoded(kept), "here", None)

    async def _add(self, store: Revisions, level: int) -> Any:
        return await store.append({"level": level}, actor="ann", reason=f"level {level}")
