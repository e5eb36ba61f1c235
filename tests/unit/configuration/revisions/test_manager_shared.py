"""What is kept of a rollback that nobody asked for, and managers that share one store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.phases import Outcome, Phase, ReloadError
from hxp_enterprise_llm.configuration.revisions import FileShelf, MemoryShelf, Revisions
from hxp_enterprise_llm.configuration.snapshot import Snapshot
from hxp_enterprise_llm.configuration.sources.memory import MemorySource

Manager = ConfigurationManager[Sample]
pytestmark = pytest.mark.feature("CH-03", "CM-02")


@pytest.fixture
def store() -> Revisions:
    return Revisions(MemoryShelf())


async def passes_but_2(snapshot: Snapshot[Sample]) -> bool:
    return snapshot.config.level != 2


def verified(source: MemorySource, store: Revisions) -> Manager:
    return ConfigurationManager(Sample, [source], store=store, verify=passes_but_2)


async def kept(store: Revisions) -> list[int]:
    return [item.document["level"] for item in reversed(await store.history())]


async def test_a_start_is_no_way_round_an_automatic_rollback(
    source: MemorySource, store: Revisions
) -> None:
    manager = verified(source, store)
    await manager.load()
    source.update({"level": 2})
    await manager.noticed("poll")
    assert (manager.snapshot.config.level, await kept(store)) == (1, [1, 2, 1])
    for _ in range(3):
        # Without the probe: only what is kept of the rollback keeps 2 away.
        again = ConfigurationManager(Sample, [source], store=store)
        assert (await again.load()).config.level == 1
        await again.noticed("poll")
        failure = again.health().failure
        assert failure is not None
        assert failure.phase is Phase.VERIFY
        assert "what did not pass before: automatic rollback of" in failure.message
    assert await kept(store) == [1, 2, 1]
    source.update({"level": 3})
    assert (await verified(source, store).load()).config.level == 3


async def test_what_was_rolled_back_by_itself_comes_when_somebody_asks(
    source: MemorySource, store: Revisions
) -> None:
    manager = verified(source, store)
    await manager.load()
    source.update({"level": 2})
    await manager.noticed("poll")
    again = ConfigurationManager(Sample, [source], store=store)
    await again.load()
    reload = await again.reload(reason="mended elsewhere", actor="ann")
    assert (reload.outcome, again.snapshot.config.level) == (Outcome.APPLIED, 2)
    assert again.health().ok


async def test_what_fails_at_a_start_is_held_back_by_the_next(
    source: MemorySource, store: Revisions
) -> None:
    await verified(source, store).load()
    source.update({"level": 2})
    for _ in range(3):
        again = verified(source, store)
        assert (await again.load()).config.level == 1
        assert not again.health().ok
    newest = await store.latest()
    assert newest is not None
    assert newest.reason.startswith("automatic rollback of ")
    assert await kept(store) == [1, 2, 1]
    source.update({"level": 1})
    assert (await verified(source, store).load()).config.level == 1


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


@pytest.mark.parametrize("spoil", [a_folder, a_circle])
async def test_a_newest_record_that_cannot_be_read_is_no_way_round_an_approval(
    source: MemorySource, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    store = Revisions(FileShelf(tmp_path))
    manager = ConfigurationManager(Sample, [source], store=store)
    await manager.load()
    source.update({"level": 2})
    await manager.reload(reason="more", actor="ann")
    spoil(tmp_path / "00000002.json")
    source.update({"level": 2, "data": "/evil"})
    again = ConfigurationManager(Sample, [source], store=store)
    config = (await again.load()).config
    assert (config.level, config.data) == (1, "/opt/data")
    failure = again.health().failure
    assert failure is not None
    assert failure.code == "revision.unreadable"


async def test_a_folder_of_revisions_that_is_none_starts_nothing(
    source: MemorySource, tmp_path: Path
) -> None:
    (tmp_path / "revisions").touch()
    store = Revisions(FileShelf(tmp_path / "revisions"))
    with pytest.raises(ReloadError, match="cannot read revisions: Not a directory"):
        await ConfigurationManager(Sample, [source], store=store).load()


async def test_a_stray_file_with_a_high_number_costs_no_time(
    source: MemorySource, tmp_path: Path
) -> None:
    asked: list[int | None] = []

    class Counting(FileShelf):
        async def newest(self, below: int | None = None) -> tuple[int, bytes] | None:
            asked.append(below)
            return await super().newest(below)

    shelf = Counting(tmp_path)
    await ConfigurationManager(Sample, [source], store=Revisions(shelf)).load()
    (tmp_path / "20261121.json").write_text("{}")
    asked.clear()
    again = ConfigurationManager(Sample, [source], store=Revisions(shelf))
    assert (await again.load()).config.level == 1
    assert asked == [None, 20261121]
    failure = again.health().failure
    assert failure is not None
    assert "revision 20261121 of " in failure.message


async def test_a_rollback_by_one_manager_is_taken_by_the_poll_of_another(
    source: MemorySource, store: Revisions
) -> None:
    one, other = (ConfigurationManager(Sample, [source], store=store) for _ in "ab")
    for manager in (one, other):
        await manager.load()
    source.update({"level": 2})
    for manager in (one, other):
        await manager.noticed("poll")
    # The change that both took is kept once.
    assert await kept(store) == [1, 2]
    await one.rollback(1, reason="2 is slow", actor="bob")
    await other.noticed("poll")
    assert other.snapshot.config.level == 1
    await other.noticed("poll")
    assert other.snapshot.config.level == 1
    assert await kept(store) == [1, 2, 1]
    # Who asks gets it, and the first follows.
    await other.reload(reason="again", actor="ann")
    await one.noticed("poll")
    assert (one.snapshot.config.level, other.snapshot.config.level) == (2, 2)
    source.update({"level": 3})
    for manager in (one, other):
        await manager.noticed("poll")
        assert manager.snapshot.config.level == 3
    assert await kept(store) == [1, 2, 1, 2, 3]
