"""The manager beside a store of what was applied: rollbacks, restarts."""

from __future__ import annotations

import pytest
from tests.unit.configuration.managed import Memory, Stored, changed, managed, refused
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.phases import (
    NotLoadedError,
    Outcome,
    Phase,
    ReloadError,
)
from hxp_enterprise_llm.configuration.snapshot import Snapshot
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.core.exceptions import RefusedError


@pytest.mark.feature("CH-03")
async def test_a_rollback_puts_back_what_served_before(source: MemorySource) -> None:
    manager = managed(source)
    first = await manager.load()
    with pytest.raises(RefusedError, match="no older snapshot"):
        await manager.rollback(reason="r", actor="ann")
    await changed(manager, source, level=2)
    reload = await manager.rollback(reason="too many", actor="bob")
    assert reload.new.revision == first.revision
    assert (reload.new.actor, reload.new.reason) == ("bob", "too many")
    assert manager.explain("level")[0].source == "snapshot 1"
    assert manager.health().ok


async def test_after_a_rollback_the_sources_wait_for_another_change(source: MemorySource) -> None:
    manager = managed(source)
    await manager.load()
    await changed(manager, source, level=2)
    await manager.rollback(reason="too many", actor="bob")
    await manager.noticed("poll")
    assert manager.snapshot.config.level == 1
    source.update({"level": 3})
    await manager.noticed("poll")
    assert manager.snapshot.config.level == 3


async def test_restoring_a_document_needs_approval_like_any_change(source: MemorySource) -> None:
    manager = managed(source)
    await manager.load()
    document = {"level": 4, "data": "/srv"}
    with pytest.raises(ReloadError) as caught:
        await manager.restore(document, label="revision 7", reason="back", actor="ann")
    assert caught.value.phase is Phase.APPROVE
    await manager.restore(document, label="revision 7", reason="back", actor="ann", approver="bob")
    assert manager.snapshot.config.data == "/srv"
    with pytest.raises(ReloadError):
        await manager.restore({"level": "x"}, label="revision 8", reason="back", actor="ann")


async def test_a_restored_document_that_the_sources_say_too_is_followed_again(
    source: MemorySource,
) -> None:
    manager = managed(source)
    await manager.load()
    await manager.restore({"level": 1}, label="revision 1", reason="same", actor="ann")
    await manager.noticed("poll")
    assert manager.explain("level")[0].source == "overrides"


async def test_every_applied_configuration_is_stored_before_it_serves(
    source: MemorySource,
) -> None:
    store = Memory()
    manager = managed(source, store=store)
    await manager.load()
    source.update({"level": 1, "data": "/srv"})
    await manager.reload(reason="moved", actor="ann", approver="bob")
    (_, last) = store.revisions
    assert last.document == manager.snapshot.document
    assert (last.actor, last.reason, last.approver) == ("ann", "moved", "bob")
    store.away = True
    error = await refused(manager, source, level=3, data="/srv")
    assert (error.phase, manager.snapshot.config.level) == (Phase.RECORD, 1)


async def test_a_restart_serves_the_stored_revision_where_the_sources_cannot(
    source: MemorySource,
) -> None:
    store = Memory()
    await managed(source, store=store).load()
    source.update({"level": "broken"})
    manager = managed(source, store=store)
    snapshot = await manager.load()
    assert snapshot.config.level == 1
    assert not manager.health().ok
    assert len(store.revisions) == 1
    source.update({"level": 2})
    await manager.noticed("poll")
    assert manager.snapshot.config.level == 2
    assert manager.health().ok


async def test_a_restart_is_no_way_round_an_approval(source: MemorySource) -> None:
    store = Memory()
    await managed(source, store=store).load()
    source.update({"level": 1, "data": "/srv"})
    manager = managed(source, store=store)
    assert (await manager.load()).config.data == "/opt/data"
    failure = manager.health().failure
    assert failure is not None
    assert failure.phase is Phase.APPROVE


async def test_a_restart_without_a_change_stores_nothing_new(source: MemorySource) -> None:
    store = Memory()
    await managed(source, store=store).load()
    await managed(source, store=store).load()
    assert len(store.revisions) == 1


async def test_a_first_load_that_fails_serves_nothing(source: MemorySource) -> None:
    source.update({"level": "x"})
    manager = managed(source, store=Memory())
    with pytest.raises(ReloadError, match="There is no older one to serve"):
        await manager.load()
    assert not manager.health().ok
    source.update({"level": 2})
    reload = await manager.reload(reason="mended", actor="ann")
    assert (reload.outcome, reload.old) == (Outcome.APPLIED, None)
    assert manager.health().ok


async def test_what_fails_its_first_probe_is_not_served(source: MemorySource) -> None:
    async def verify(new: Snapshot[Sample]) -> bool:
        return new.config.level != 2

    source.update({"level": 2})
    manager = managed(source, verify=verify)
    for _ in range(2):
        with pytest.raises(ReloadError) as caught:
            await manager.load()
        assert caught.value.phase is Phase.VERIFY
        assert not hasattr(manager, "snapshot")
    store = Memory([Stored({"level": 1})])
    stored = managed(source, verify=verify, store=store)
    assert (await stored.load()).config.level == 1
    assert not stored.health().ok


async def test_a_stored_revision_that_fits_no_more_is_an_error(source: MemorySource) -> None:
    source.update({"level": "x"})
    store = Memory([Stored({"gone": 1})])
    with pytest.raises(ReloadError, match="There is no older one to serve"):
        await managed(source, store=store).load()


async def test_a_store_that_is_away_at_the_start_gets_the_revision_later(
    source: MemorySource,
) -> None:
    store = Memory(away=True)
    manager = managed(source, store=store)
    assert (await manager.load()).config.level == 1
    failure = manager.health().failure
    assert failure is not None
    assert (failure.phase, manager.health().ok) == (Phase.RECORD, False)
    store.away = False
    await manager.noticed("poll")
    assert manager.health().ok
    assert [item.document["level"] for item in store.revisions] == [1]


async def test_nothing_is_restored_before_the_first_load(source: MemorySource) -> None:
    manager = managed(source)
    with pytest.raises(NotLoadedError, match="is not loaded yet"):
        await manager.restore({"level": 4}, label="revision 7", reason="back", actor="ann")
