"""The manager over a store of revisions: what is kept, and how it goes back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.diff import between
from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.phases import Outcome, Phase, ReloadError
from hxp_enterprise_llm.configuration.revisions import (
    FileShelf,
    MemoryShelf,
    Revision,
    RevisionError,
    Revisions,
    TamperedRevisionError,
    UnknownRevisionError,
    identity,
)
from hxp_enterprise_llm.configuration.secrets import Secret
from hxp_enterprise_llm.configuration.snapshot import Snapshot
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.core.exceptions import RefusedError
from hxp_enterprise_llm.schemas.effect import Effect


@pytest.fixture
def store(tmp_path: Path) -> Revisions:
    return Revisions(FileShelf(tmp_path))


@pytest.fixture
def source() -> MemorySource:
    return MemorySource("overrides", {"level": 1})


def managed(
    source: MemorySource, store: Revisions | None, **arguments: Any
) -> ConfigurationManager[Sample]:
    return ConfigurationManager(Sample, [source], store=store, **arguments)


async def applied(manager: ConfigurationManager[Sample], source: MemorySource, level: int) -> None:
    source.update({"level": level})
    await manager.reload(reason=f"to {level}", actor="ann")


@pytest.mark.feature("CH-03", "CL-06")
async def test_every_applied_configuration_is_kept_with_who_why_and_whose_approval(
    source: MemorySource, store: Revisions
) -> None:
    manager = managed(source, store)
    await manager.load()
    source.update({"level": 2, "data": "/srv"})
    await manager.reload(reason="new disk", actor="ann", approver="bob")
    second, first = await store.history()
    assert first.document["level"] == 1
    assert (second.actor, second.reason, second.approver) == ("ann", "new disk", "bob")
    assert second.document == manager.snapshot.document
    assert second.id == manager.snapshot.revision


@pytest.mark.feature("CH-03")
async def test_a_change_that_is_not_valid_is_neither_served_nor_kept(
    source: MemorySource, store: Revisions
) -> None:
    manager = managed(source, store)
    await manager.load()
    with pytest.raises(ReloadError, match="level"):
        await applied(manager, source, -1)
    assert manager.snapshot.config.level == 1
    assert len(await store.history()) == 1


@pytest.mark.feature("CM-02", "CH-03")
async def test_a_stored_revision_is_put_back_in_force_as_a_new_revision(
    source: MemorySource, store: Revisions
) -> None:
    manager = managed(source, store)
    await manager.load()
    for level in (2, 3):
        await applied(manager, source, level)
    reload = await manager.rollback(1, reason="3 is slow", actor="bob")
    assert reload.outcome is Outcome.APPLIED
    assert manager.snapshot.config.level == 1
    newest = await store.latest()
    assert newest is not None
    assert (newest.number, newest.actor, newest.reason) == (4, "bob", "3 is slow")
    assert newest.document == (await store.get(1)).document
    assert manager.explain("level")[0].source == "revision 1"


@pytest.mark.feature("CM-02", "CH-03")
async def test_what_fails_its_probe_after_the_swap_is_rolled_back_and_both_are_on_record(
    source: MemorySource, store: Revisions
) -> None:
    async def verify(snapshot: Snapshot[Sample]) -> bool:
        return snapshot.config.level != 2

    manager = managed(source, store, verify=verify)
    await manager.load()
    with pytest.raises(ReloadError) as caught:
        await applied(manager, source, 2)
    assert caught.value.phase is Phase.VERIFY
    assert manager.snapshot.config.level == 1
    back, failed, first = await store.history()
    assert (failed.document["level"], failed.actor) == (2, "ann")
    assert back.document == first.document
    assert (back.actor, back.reason) == ("citadel", f"automatic rollback of {failed.id[:12]}")


@pytest.mark.feature("CM-02", "CH-03")
async def test_a_restart_goes_back_past_revisions_that_nobody_took_back(
    source: MemorySource, store: Revisions
) -> None:
    """As a kill between the record and the automatic rollback leaves them."""

    async def verify(snapshot: Snapshot[Sample]) -> bool:
        return snapshot.config.level == 1

    manager = managed(source, store)
    await manager.load()
    for level in (2, 3):
        await applied(manager, source, level)
    again = managed(source, store, verify=verify)
    snapshot = await again.load()
    assert snapshot.config.level == 1
    assert again.explain("level")[0].source == "stored revision 1"
    failure = again.health().failure
    assert failure is not None
    assert failure.phase is Phase.VERIFY
    newest = await store.latest()
    assert newest is not None
    assert (newest.number, newest.document["level"]) == (4, 1)


async def test_a_restart_whose_revisions_all_fail_serves_nothing_and_stores_nothing(
    source: MemorySource, store: Revisions
) -> None:
    async def verify(snapshot: Snapshot[Sample]) -> bool:
        return False

    manager = managed(source, store)
    await manager.load()
    await applied(manager, source, 2)
    again = managed(source, store, verify=verify)
    with pytest.raises(ReloadError, match="There is no older one to serve"):
        await again.load()
    assert not again.health().ok
    assert len(await store.history()) == 2


async def test_a_restart_goes_back_no_further_than_a_revision_that_was_changed(
    source: MemorySource, store: Revisions, tmp_path: Path
) -> None:
    async def verify(snapshot: Snapshot[Sample]) -> bool:
        return snapshot.config.level != 2

    manager = managed(source, store)
    await manager.load()
    await applied(manager, source, 2)
    (tmp_path / "00000001.json").write_bytes(b"{}")
    with pytest.raises(ReloadError, match="There is no older one to serve"):
        await managed(source, store, verify=verify).load()


async def test_a_tampered_revision_is_refused_with_its_number_and_the_old_one_serves(
    source: MemorySource, store: Revisions, tmp_path: Path
) -> None:
    manager = managed(source, store)
    await manager.load()
    await applied(manager, source, 2)
    record = tmp_path / "00000001.json"
    record.write_bytes(record.read_bytes().replace(b'"level":1', b'"level":9'))
    with pytest.raises(TamperedRevisionError, match="revision 1 of"):
        await manager.rollback(1, reason="back", actor="ann")
    assert manager.snapshot.config.level == 2


async def test_nothing_is_applied_on_top_of_a_tampered_revision(
    source: MemorySource, store: Revisions, tmp_path: Path
) -> None:
    manager = managed(source, store)
    await manager.load()
    (tmp_path / "00000001.json").write_bytes(b"{}")
    with pytest.raises(ReloadError, match=r"phase record: revision 1 of .* cannot be read"):
        await applied(manager, source, 2)
    assert manager.snapshot.config.level == 1
    assert not manager.health().ok


async def test_an_unknown_revision_and_a_manager_without_a_store_are_told(
    source: MemorySource, store: Revisions
) -> None:
    manager = managed(source, store)
    await manager.load()
    with pytest.raises(UnknownRevisionError, match="no revision 7"):
        await manager.rollback(7, reason="back", actor="ann")
    alone = managed(source, None)
    await alone.load()
    with pytest.raises(RefusedError, match="no store"):
        await alone.rollback(1, reason="back", actor="ann")


@pytest.mark.feature("CL-06", "CM-02")
async def test_a_lost_history_comes_back_from_its_backup_and_serves_at_the_start(
    source: MemorySource, store: Revisions, tmp_path: Path
) -> None:
    manager = managed(source, store)
    await manager.load()
    await applied(manager, source, 2)
    recovered = Revisions(FileShelf(tmp_path / "recovered"))
    assert await recovered.restore(await store.backup()) == 2
    source.update({"level": "broken"})
    again = managed(source, recovered)
    assert (await again.load()).config.level == 2
    assert not again.health().ok


async def test_no_value_of_a_secret_gets_into_a_revision(
    source: MemorySource, store: Revisions, tmp_path: Path
) -> None:
    source.update({"store": {"password": "env:STORE"}})
    manager = managed(source, store, resolver=lambda _: Secret("canary-value"))
    snapshot = await manager.load()
    assert snapshot.secret("env:STORE").reveal() == "canary-value"
    files = await asyncio.to_thread(lambda: [path.read_bytes() for path in tmp_path.iterdir()])
    assert any(b"env:STORE" in content for content in files)
    assert not any(b"canary" in content for content in files)


@pytest.mark.feature("CL-06")
async def test_a_long_history_is_backed_up_and_restored_within_the_documents_300_seconds(
    tmp_path: Path,
) -> None:
    import time

    from hxp_enterprise_llm.schemas.infrastructure_services import Configuration
    from hxp_enterprise_llm.schemas.performance_targets import ConfigurationTargets

    assert Configuration().backup_enabled is True
    assert ConfigurationTargets().backup_time == 300
    store, other = Revisions(MemoryShelf()), Revisions(MemoryShelf())
    for number in range(500):
        document = {f"key-{key}": f"{number}-{key}" for key in range(200)}
        await store.append(document, actor="ann", reason="x", source="#" * 4000)
    began = time.monotonic()
    assert await other.restore(await store.backup()) == 500
    assert time.monotonic() - began < 300
    assert await other.verify() == await store.verify()


def tracked(revision: Revision) -> tuple[int, str, str, str | None]:
    return revision.number, revision.actor, revision.reason, revision.approver


@pytest.mark.feature("CH-03")
async def test_a_change_is_validated_tracked_and_rolled_back(
    source: MemorySource, store: Revisions
) -> None:
    times = iter(datetime(2026, 11, day, tzinfo=UTC) for day in range(1, 29))
    store = Revisions(store.shelf, now=lambda: next(times))
    manager = managed(source, store)
    heard: list[tuple[int, int]] = []
    manager.subscribe(lambda old, new: heard.append((old.config.level, new.config.level)))
    await manager.load()
    # Validated: what is wrong, and what is dangerous and not approved, changes nothing.
    for wrong in ({"level": -1}, {"lvel": 2}, {"level": "many"}, {"data": "/srv"}):
        source.update(wrong)
        with pytest.raises(ReloadError):
            await manager.reload(reason="a mistake", actor="eve")
    assert (manager.snapshot.config.level, heard, len(await store.history())) == (1, [], 1)
    # Tracked: who, why, when, whose approval, old and new, and what the change does.
    source.update({"level": 2, "data": "/srv"})
    planned = await manager.plan()
    reload = await manager.reload(reason="new disk", actor="ann", approver="bob")
    assert reload.changes == planned
    assert {(item.path, item.old, item.new, item.effect) for item in reload.changes} == {
        (("level",), 1, 2, Effect.LIVE),
        (("data",), "/opt/data", "/srv", Effect.DANGEROUS),
    }
    second, first = await store.history()
    assert tracked(second) == (2, "ann", "new disk", "bob")
    assert (first.made_at, second.made_at) == tuple(
        datetime(2026, 11, day, tzinfo=UTC) for day in (1, 2)
    )
    assert between(first.document, second.document, Sample) == reload.changes
    # Rolled back: by number, as one more revision, with an approval like any other change.
    with pytest.raises(ReloadError, match="approval"):
        await manager.rollback(1, reason="the disk is slow", actor="ann")
    await manager.rollback(1, reason="the disk is slow", actor="ann", approver="bob")
    third = await store.latest()
    assert third is not None
    assert tracked(third) == (3, "ann", "the disk is slow", "bob")
    assert third.document == first.document == manager.snapshot.document
    assert heard == [(1, 2), (2, 1)]


@pytest.mark.feature("CL-06", "CM-02")
async def test_versions_are_backed_up_and_recovered_with_their_integrity_checked(
    source: MemorySource, store: Revisions, tmp_path: Path
) -> None:
    of = identity("production", "gateway", "main")
    store = Revisions(store.shelf, of=of)
    manager = managed(source, store)
    await manager.load()
    for level in (2, 3):
        await applied(manager, source, level)
    archive, head = await store.backup(), await store.verify()
    # The disk is lost; the backup was damaged, or is that of another document.
    recovered = Revisions(FileShelf(tmp_path / "recovered"), of=of)
    damaged = bytearray(archive)
    damaged[len(damaged) // 2] ^= 1
    with pytest.raises(RevisionError):
        await recovered.restore(bytes(damaged))
    foreign = Revisions(MemoryShelf(), of=identity("staging", "gateway", "main"))
    with pytest.raises(TamperedRevisionError, match=f"is of {of}"):
        await foreign.restore(archive)
    assert await recovered.latest() is None
    # The whole one brings each version back, in the same chain, and what served serves.
    assert await recovered.restore(archive) == 3
    assert await recovered.verify(head) == head
    assert [item.document["level"] for item in await recovered.history()] == [3, 2, 1]
    source.update({"level": "lost too"})
    again = managed(source, recovered)
    assert (await again.load()).config.level == 3
    await again.rollback(1, reason="back", actor="ann")
    assert again.snapshot.config.level == 1
