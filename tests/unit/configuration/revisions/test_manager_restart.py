"""A start over a store is no way round a rollback, an approval, or a revision that was changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.phases import ApprovalError, Outcome, Phase, ReloadError
from hxp_enterprise_llm.configuration.revisions import (
    FileShelf,
    MemoryShelf,
    Revisions,
    TamperedRevisionError,
)
from hxp_enterprise_llm.configuration.secrets import Secret
from hxp_enterprise_llm.configuration.security.sealing import CredentialKeys, SealedShelf
from hxp_enterprise_llm.configuration.snapshot import Snapshot
from hxp_enterprise_llm.configuration.sources.files import FileSource
from hxp_enterprise_llm.configuration.sources.memory import MemorySource

Manager = ConfigurationManager[Sample]


class Shelf(MemoryShelf):
    """A shelf that may be away."""

    away = False

    async def newest(self, below: int | None = None) -> tuple[int, bytes] | None:
        if self.away:
            raise ConnectionRefusedError
        return await super().newest(below)

    async def add(self, records: Mapping[int, bytes]) -> bool:
        if self.away:
            raise ConnectionRefusedError
        return await super().add(records)

    def tamper(self, number: int) -> None:
        """Change the value of a record, as somebody does who can write the store."""
        changed = self.records[number].replace(b'"level":', b'"level":1')
        assert changed != self.records[number]
        self.records[number] = changed


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def source() -> MemorySource:
    return MemorySource("file", {"level": 1})


def managed(source: MemorySource, shelf: Shelf) -> Manager:
    return ConfigurationManager(Sample, [source], store=Revisions(shelf))


async def history(source: MemorySource, shelf: Shelf, *levels: int) -> Manager:
    """Return a manager that applied one level after the other."""
    manager = managed(source, shelf)
    for level in levels:
        source.update({"level": level})
        await manager.reload(reason=f"to {level}", actor="ann")
    return manager


async def rolled_back(source: MemorySource, shelf: Shelf) -> Manager:
    """Return a manager that was rolled back from level 2 to 1; the source says 2."""
    manager = await history(source, shelf, 1, 2)
    await manager.rollback(1, reason="2 is slow", actor="bob")
    return manager


@pytest.mark.feature("CH-03", "CM-02")
async def test_a_rollback_outlives_any_number_of_restarts(
    source: MemorySource, shelf: Shelf
) -> None:
    await rolled_back(source, shelf)
    for _ in range(2):
        again = managed(source, shelf)
        assert (await again.load()).config.level == 1
        assert again.snapshot.reason == "the sources say what was rolled back"
        assert again.health().ok
        await again.noticed("poll")
        assert again.snapshot.config.level == 1
    newest = await Revisions(shelf).latest()
    assert newest is not None
    assert (newest.number, newest.actor, newest.reason) == (3, "bob", "2 is slow")
    assert (len(newest.holds), (await Revisions(shelf).get(2)).holds) == (64, "")


@pytest.mark.feature("CH-03", "CM-02")
async def test_the_sources_count_again_once_they_say_something_else(
    source: MemorySource, shelf: Shelf
) -> None:
    await rolled_back(source, shelf)
    source.update({"level": 3})
    assert (await managed(source, shelf).load()).config.level == 3
    source.update({"level": 2})
    # The file changed since the rollback: what it held back is a configuration like any other.
    again = managed(source, shelf)
    assert (await again.load()).config.level == 2
    assert again.health().ok


async def test_after_a_restart_what_is_held_back_comes_when_somebody_asks(
    source: MemorySource, shelf: Shelf
) -> None:
    await rolled_back(source, shelf)
    again = managed(source, shelf)
    await again.load()
    reload = await again.reload(reason="try again", actor="ann")
    assert (reload.outcome, again.snapshot.config.level) == (Outcome.APPLIED, 2)
    assert (await managed(source, shelf).load()).config.level == 2


async def test_a_rollback_outlives_a_program_that_has_more_settings(
    source: MemorySource, shelf: Shelf
) -> None:
    class Newer(Sample):
        more: int = 7

    await rolled_back(source, shelf)
    again = ConfigurationManager(Newer, [source], store=Revisions(shelf))
    config = (await again.load()).config
    assert (config.level, config.more) == (1, 7)
    assert again.health().ok
    source.update({"level": 2, "more": 8})
    await again.noticed("poll")
    assert again.snapshot.config.level == 2


async def test_a_stored_revision_that_fails_its_probe_changes_nothing_about_what_is_held(
    source: MemorySource, shelf: Shelf
) -> None:
    async def verify(snapshot: Snapshot[Sample]) -> bool:
        return snapshot.config.level != 3

    manager = await history(source, shelf, 1, 3, 2)
    await manager.rollback(1, reason="2 is slow", actor="bob")
    again = ConfigurationManager(Sample, [source], store=Revisions(shelf), verify=verify)
    assert (await again.load()).config.level == 1
    with pytest.raises(ReloadError, match="phase verify"):
        await again.rollback(2, reason="try 3", actor="bob")
    await again.noticed("poll")
    assert again.snapshot.config.level == 1
    assert (await managed(source, shelf).load()).config.level == 1


async def test_a_rollback_to_what_serves_already_is_kept_too(
    source: MemorySource, shelf: Shelf
) -> None:
    async def verify(snapshot: Snapshot[Sample]) -> bool:
        return snapshot.config.level != 2

    manager = ConfigurationManager(Sample, [source], store=Revisions(shelf), verify=verify)
    await manager.load()
    source.update({"level": 2})
    with pytest.raises(ReloadError):
        await manager.reload(reason="to 2", actor="ann")
    await manager.rollback(1, reason="stay", actor="bob")
    # Without the probe: only the rollback keeps 2 away.
    assert (await managed(source, shelf).load()).config.level == 1


async def test_what_fails_its_probe_at_the_start_is_not_tried_again_by_itself(
    source: MemorySource, shelf: Shelf
) -> None:
    await history(source, shelf, 1)
    tried = []

    async def verify(snapshot: Snapshot[Sample]) -> bool:
        tried.append(snapshot.config.level)
        return snapshot.config.level == 1

    source.update({"level": 2})
    again = ConfigurationManager(Sample, [source], store=Revisions(shelf), verify=verify)
    assert (await again.load()).config.level == 1
    await again.noticed("poll")
    source.update({"level": "broken"})
    await again.noticed("poll")
    source.update({"level": 2})
    await again.noticed("poll")
    assert tried == [2, 1]
    failure = again.health().failure
    assert failure is not None
    assert failure.phase is Phase.VERIFY


async def test_a_rollback_to_what_the_sources_say_holds_nothing_back(
    source: MemorySource, shelf: Shelf
) -> None:
    manager = await history(source, shelf, 1, 2)
    source.update({"level": 1})
    await manager.plan()
    await manager.reload(reason="to 1", actor="ann")
    await manager.rollback(1, reason="the same", actor="bob")
    newest = await Revisions(shelf).latest()
    assert newest is not None
    assert newest.holds == ""
    source.update({"level": 2})
    assert (await managed(source, shelf).load()).config.level == 2


async def test_a_rollback_of_a_file_holds_until_the_file_is_edited(tmp_path: Path) -> None:
    file = tmp_path / "app.yaml"
    store = Revisions(FileShelf(tmp_path / "revisions"))

    def started() -> Manager:
        return ConfigurationManager(Sample, [FileSource(file)], store=store)

    file.write_text("level: 1\n")
    manager = started()
    await manager.load()
    file.write_text("level: 2\n")
    await manager.noticed("file")
    await manager.rollback(1, reason="2 is slow", actor="bob")
    file.write_text("# touched, and the same\nlevel: 2\n")
    again = started()
    assert (await again.load()).config.level == 1
    file.write_text("level: 3\n")
    await again.noticed("file")
    assert again.snapshot.config.level == 3


@pytest.mark.feature("CH-03", "CL-06")
@pytest.mark.parametrize("said", [{"level": 3}, {"level": 2}, {"level": 2, "data": "/evil"}])
async def test_a_tampered_newest_revision_is_refused_and_the_last_good_one_serves(
    source: MemorySource, shelf: Shelf, said: dict[str, Any]
) -> None:
    await history(source, shelf, 1, 2)
    shelf.tamper(2)
    source.update(said)
    again = managed(source, shelf)
    assert (await again.load()).config.level == 1
    assert again.snapshot.config.data == "/opt/data"
    assert again.explain("level")[0].source == "stored revision 1"
    failure = again.health().failure
    assert failure is not None
    assert (failure.phase, failure.code) == (Phase.RECORD, "revision.tampered")
    assert "revision 2 of memory was changed" in failure.message
    # Nothing is taken on top of it, and it stays as it is: evidence.
    with pytest.raises(ReloadError) as caught:
        await again.reload(reason="more", actor="ann", approver="bob")
    assert isinstance(caught.value.cause, TamperedRevisionError)
    assert again.snapshot.config.level == 1
    assert sorted(shelf.records) == [1, 2]


async def test_beside_a_tampered_revision_the_sources_serve_what_the_last_good_one_says(
    source: MemorySource, shelf: Shelf
) -> None:
    await history(source, shelf, 1, 2)
    shelf.tamper(2)
    source.update({"level": 1})
    again = managed(source, shelf)
    assert (await again.load()).config.level == 1
    assert again.explain("level")[0].source == "file"
    for _ in range(2):
        failure = again.health().failure
        assert failure is not None
        assert failure.code == "revision.tampered"
        await again.noticed("poll")


async def test_the_last_good_one_is_looked_for_below_all_that_are_tampered(
    source: MemorySource, shelf: Shelf
) -> None:
    await history(source, shelf, 1, 2, 3, 4)
    for number in (2, 3, 4):
        shelf.tamper(number)
    assert (await managed(source, shelf).load()).config.level == 1


async def test_a_sealed_revision_that_was_changed_is_refused_like_any_other(
    source: MemorySource, shelf: Shelf
) -> None:
    def sealed(secret: str) -> Manager:
        keys = CredentialKeys([Secret(secret)])
        store = Revisions(SealedShelf(shelf, keys, "revisions/a"))
        return ConfigurationManager(Sample, [source], store=store)

    manager = sealed("x" * 32)
    for level in (1, 2):
        source.update({"level": level})
        await manager.reload(reason=f"to {level}", actor="ann")
    source.update({"level": 2, "data": "/evil"})
    # Sealed with a key that is not known here: nobody can tell what may follow.
    with pytest.raises(ReloadError, match="phase record"):
        await sealed("y" * 32).load()
    shelf.records[2] = shelf.records[1]
    again = sealed("x" * 32)
    assert (await again.load()).config.level == 1
    failure = again.health().failure
    assert failure is not None
    assert "revision 2 of memory was changed after it was sealed" in failure.message


async def test_where_no_revision_is_good_nothing_starts(source: MemorySource, shelf: Shelf) -> None:
    await history(source, shelf, 1, 2)
    for number in (1, 2):
        shelf.tamper(number)
    again = managed(source, shelf)
    with pytest.raises(ReloadError, match="revision 2 of memory was changed") as caught:
        await again.load()
    assert "restore a backup" in caught.value.next_step
    assert not again.health().ok


async def test_a_store_that_goes_away_while_the_last_good_one_is_looked_for_starts_nothing(
    source: MemorySource, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = shelf.newest

    async def away(below: int | None = None) -> tuple[int, bytes] | None:
        if below is not None:
            raise ConnectionRefusedError
        return await newest()

    await history(source, shelf, 1, 2)
    shelf.tamper(2)
    monkeypatch.setattr(shelf, "newest", away)
    again = managed(source, shelf)
    with pytest.raises(ReloadError, match="revision 2 of memory was changed"):
        await again.load()
    monkeypatch.undo()
    await again.noticed("poll")
    assert again.snapshot.config.level == 1


async def test_a_start_without_its_store_is_judged_when_the_store_is_back(
    source: MemorySource, shelf: Shelf
) -> None:
    await history(source, shelf, 1)
    shelf.away = True
    source.update({"level": 2, "data": "/evil"})
    again = managed(source, shelf)
    assert (await again.load()).config.data == "/evil"
    assert not again.health().ok
    await again.noticed("poll")
    assert again.snapshot.config.data == "/evil"
    shelf.away = False
    with pytest.raises(ReloadError) as caught:
        await again.reload(reason="look", actor="ann")
    assert isinstance(caught.value.cause, ApprovalError)
    assert (again.snapshot.config.level, again.snapshot.config.data) == (1, "/opt/data")
    assert sorted(shelf.records) == [1]
    await again.reload(reason="new disk", actor="ann", approver="bob")
    assert again.snapshot.config.data == "/evil"


async def test_a_start_without_its_store_takes_a_rollback_into_account_later(
    source: MemorySource, shelf: Shelf
) -> None:
    await rolled_back(source, shelf)
    shelf.away = True
    again = managed(source, shelf)
    assert (await again.load()).config.level == 2
    shelf.away = False
    await again.noticed("poll")
    assert again.snapshot.config.level == 1
    assert again.health().ok
    assert sorted(shelf.records) == [1, 2, 3]


async def test_a_store_that_comes_back_tampered_brings_the_last_good_one_back(
    source: MemorySource, shelf: Shelf
) -> None:
    await history(source, shelf, 1, 2)
    shelf.tamper(2)
    shelf.away = True
    again = managed(source, shelf)
    assert (await again.load()).config.level == 2
    shelf.away = False
    await again.noticed("poll")
    assert again.snapshot.config.level == 1
    failure = again.health().failure
    assert failure is not None
    assert failure.code == "revision.tampered"


async def test_a_store_that_comes_back_empty_takes_what_serves(
    source: MemorySource, shelf: Shelf
) -> None:
    shelf.away = True
    again = managed(source, shelf)
    await again.load()
    shelf.away = False
    await again.noticed("poll")
    assert again.health().ok
    assert sorted(shelf.records) == [1]


async def test_a_wall_clock_that_jumps_changes_no_order(source: MemorySource, shelf: Shelf) -> None:
    years = iter((2026, 1999, 2038, 1970, 2026))
    store = Revisions(shelf, now=lambda: datetime(next(years), 1, 1, tzinfo=UTC))
    manager = ConfigurationManager(Sample, [source], store=store)
    for level in (1, 2, 3):
        source.update({"level": level})
        await manager.reload(reason=f"to {level}", actor="ann")
    await manager.rollback(1, reason="back", actor="ann")
    found = await store.history()
    assert [(item.number, item.made_at.year) for item in found] == [
        (4, 1970), (3, 2038), (2, 1999), (1, 2026),
    ]  # fmt: skip
    await store.verify()
    assert (await managed(source, shelf).load()).config.level == 1
