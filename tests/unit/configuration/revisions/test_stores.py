"""The contract of revision stores, over memory and over files; PostgreSQL's is not a unit test."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.unit.configuration.revisions.contract import Overwrite, RevisionContract

from hxp_enterprise_llm.configuration.revisions import (
    FileShelf,
    MemoryShelf,
    RevisionError,
    Revisions,
    Shelf,
)

pytestmark = pytest.mark.feature("CL-06", "CM-02", "CH-03")


class TestMemory(RevisionContract):
    @pytest.fixture
    def shelf(self) -> MemoryShelf:
        return MemoryShelf()

    @pytest.fixture
    def other(self) -> Shelf:
        return MemoryShelf()

    @pytest.fixture
    def overwrite(self, shelf: MemoryShelf) -> Overwrite:
        async def put(number: int, record: bytes | None) -> None:
            del shelf.records[number]
            if record is not None:
                shelf.records[number] = record

        return put


class TestFiles(RevisionContract):
    @pytest.fixture
    def shelf(self, tmp_path: Path) -> FileShelf:
        return FileShelf(tmp_path / "revisions")

    @pytest.fixture
    def other(self, tmp_path: Path) -> Shelf:
        return FileShelf(tmp_path / "other")

    @pytest.fixture
    def overwrite(self, shelf: FileShelf) -> Overwrite:
        async def put(number: int, record: bytes | None) -> None:
            path = shelf.folder / f"{number:08d}.json"
            path.unlink()
            if record is not None:
                path.write_bytes(record)

        return put


async def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "revisions"
    await Revisions(FileShelf(folder)).append({"a": 1}, actor="ann", reason="x")
    assert folder.stat().st_mode & 0o777 == 0o700
    (record,) = folder.glob("*.json")
    assert (record.name, record.stat().st_mode & 0o777) == ("00000001.json", 0o600)


async def test_reading_an_empty_history_makes_no_folder(tmp_path: Path) -> None:
    assert await Revisions(FileShelf(tmp_path / "none")).latest() is None
    assert not (tmp_path / "none").exists()


async def test_other_files_of_the_folder_are_no_revisions(tmp_path: Path) -> None:
    for name in ("notes.json", "9.json", "0.json", "²²²²²²²².json"):
        (tmp_path / name).write_text("{}")
    store = Revisions(FileShelf(tmp_path))
    for number in (1, 2):
        assert (await store.append({}, actor="ann", reason="x")).number == number


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "is of version 2; this citadel knows version 1"),
        ({"format": "other"}, "is a backup of something else"),
        ({"sha256": "0" * 64}, "is damaged: its checksum is another"),
        ({"count": 2}, "is damaged: its checksum is another"),
    ],
)
async def test_a_backup_that_says_something_else_is_refused(
    change: dict[str, Any], said: str
) -> None:
    store = Revisions(MemoryShelf())
    await store.append({"a": 1}, actor="ann", reason="x")
    head, *lines = gzip.decompress(await store.backup()).split(b"\n")
    other = json.dumps(json.loads(head) | change).encode()
    with pytest.raises(RevisionError, match=said):
        await Revisions(MemoryShelf()).restore(gzip.compress(b"\n".join([other, *lines])))


async def test_a_restore_that_another_writer_overtakes_is_told(tmp_path: Path) -> None:
    class Overtaken(MemoryShelf):
        async def add(self, records: Mapping[int, bytes]) -> bool:
            return False

    store = Revisions(MemoryShelf())
    await store.append({"a": 1}, actor="ann", reason="x")
    with pytest.raises(RevisionError, match="memory was written at the same time"):
        await Revisions(Overtaken()).restore(await store.backup())


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = Revisions(FileShelf(tmp_path / "file" / "revisions"))
    with pytest.raises(RevisionError, match="file/revisions: cannot read revisions: Not a dir"):
        await store.append({}, actor="ann", reason="x")


async def test_a_record_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "00000001.json").mkdir()
    with pytest.raises(RevisionError, match=r"revision 1 of .* cannot be read: Is a directory"):
        await Revisions(FileShelf(tmp_path)).latest()


def listed(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


async def test_records_that_go_aside_stay_in_the_folder(tmp_path: Path) -> None:
    store = Revisions(FileShelf(tmp_path))
    for level in (1, 2):
        await store.append({"a": level}, actor="ann", reason="x")
    archive = await store.backup()
    (tmp_path / "00000001.json").write_text("{}")
    (tmp_path / "00000002.json").unlink()
    (tmp_path / "00000002.json").mkdir()
    place = await store.mend(await store.mending(archive))
    assert place.startswith(f"{tmp_path}/*.damaged-")
    assert len(await store.history()) == 2
    aside = listed(tmp_path, Path(place).name)
    assert [path.stem for path in aside] == ["00000001", "00000002"]
    assert aside[0].read_text() == "{}"


async def test_no_handle_stays_open(tmp_path: Path) -> None:
    store = Revisions(FileShelf(tmp_path))
    await store.append({}, actor="ann", reason="x")
    before = _handles()
    await store.append({}, actor="ann", reason="x")
    assert _handles() == before


def _handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
