"""Files that extend each other are migrated together: all or none, and back to the byte."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.migration import MigrationError
from hxp_enterprise_llm.configuration.migration import journal as journals
from hxp_enterprise_llm.configuration.migration.files import FileMigrator
from hxp_enterprise_llm.configuration.migration.journal import Outcome
from hxp_enterprise_llm.utilities.files import write_atomic

ENVIRONMENTS = Path(__file__).resolve().parents[4] / "stacks" / "environments"
pytestmark = pytest.mark.feature("CM-01", "CM-03")


@pytest.fixture
def migrator(tmp_path: Path) -> FileMigrator:
    return FileMigrator(tmp_path / "migrations")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ENVIRONMENTS, tmp_path / "environments"))


def texts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.yaml"))}


def moved(migrator: FileMigrator, paths: list[Path], to: int | None = None) -> list[str]:
    """Migrate files; return which were written."""
    plans = [plan for plan in migrator.plan_all(paths, to) if plan.changed]
    if plans:
        migrator.apply_all(plans, actor="ann")
    return sorted(plan.path.name for plan in plans)


def broken(path: Path, error: BaseException) -> Callable[..., None]:
    """Return a `write_atomic` that raises when it comes to a file."""

    def write(target: Path, content: bytes, *, mode: int) -> None:
        if target == path:
            raise error
        write_atomic(target, content, mode=mode)

    return write


def test_a_downgrade_takes_what_a_file_extends_and_the_way_up_gives_all_back_to_the_byte(
    migrator: FileMigrator, folder: Path
) -> None:
    before = texts(folder)
    paths = [folder / "local.yaml", folder / "onprem.yaml"]
    assert moved(migrator, paths, 0) == ["base.yaml", "local.yaml", "onprem.yaml"]
    assert not any(b"schema: 1" in text for text in texts(folder).values())
    # All are of version 0 now, also the one that says nothing any more.
    assert [plan.migrated.before for plan in migrator.plan_all(paths)] == [0, 0, 0]
    assert moved(migrator, paths, 0) == []
    assert moved(migrator, paths) == ["base.yaml", "local.yaml", "onprem.yaml"]
    assert texts(folder) == before
    assert moved(migrator, paths) == []
    # As often as one likes.
    moved(migrator, paths, 0)
    moved(migrator, paths)
    assert texts(folder) == before


def test_what_another_file_extends_is_not_changed_under_it(
    migrator: FileMigrator, folder: Path
) -> None:
    before = texts(folder)
    match = r"base.yaml is extended by .*onprem.yaml too"
    with pytest.raises(MigrationError, match=match) as caught:
        migrator.plan_all([folder / "local.yaml"], 0)
    assert caught.value.next_step == "Migrate them together: name all of them, or none."
    with pytest.raises(MigrationError, match=r"base.yaml is extended by .*local.yaml too"):
        migrator.plan_all([folder / "base.yaml"], 0)
    assert texts(folder) == before
    # A neighbour that needs nothing, or extends something else, is no hindrance.
    (folder / "other.yaml").write_text("schema: 1\n")
    assert moved(migrator, [folder / "other.yaml"], 0) == ["other.yaml"]
    paths = [folder / "local.yaml", folder / "onprem.yaml"]
    moved(migrator, paths, 0)
    paths[1].write_text("schema: 1\nextends: base\n")
    assert moved(migrator, paths[:1]) == ["base.yaml", "local.yaml"]


def test_a_neighbour_that_cannot_be_read_is_not_left_behind_either(
    migrator: FileMigrator, folder: Path
) -> None:
    (folder / "onprem.yaml").write_text("extends: base\nschema: 9\n")
    with pytest.raises(MigrationError, match=r"extended by .*onprem.yaml too"):
        migrator.plan_all([folder / "local.yaml"], 0)


def test_a_file_that_was_edited_since_is_migrated_by_the_steps(
    migrator: FileMigrator, folder: Path
) -> None:
    before = texts(folder)
    paths = [folder / "local.yaml", folder / "onprem.yaml"]
    moved(migrator, paths, 0)
    with paths[0].open("a") as file:
        file.write("performance_targets: {}\n")
    moved(migrator, paths)
    after = texts(folder)
    assert b"performance_targets: {}" in after["local.yaml"]
    assert b"schema: 1" in after["local.yaml"]
    assert {**after, "local.yaml": b""} == {**before, "local.yaml": b""}


@pytest.mark.parametrize("overlay", ["", "models: {}\n", "performance_targets: {}\n"])
def test_an_overlay_that_says_no_version_goes_with_what_it_extends(
    migrator: FileMigrator, tmp_path: Path, overlay: str
) -> None:
    base, site = tmp_path / "base.yaml", tmp_path / "site.yaml"
    base.write_text("schema: 1\nprovider: {kind: local}\nhosts: {}\n")
    secret = "integration_services:\n  database: {password: env:DB}\n"
    site.write_text(f"extends: base\n{overlay}{secret}")
    before = (base.read_bytes(), site.read_bytes())
    moved(migrator, [site], 0)
    assert "${DB}" in site.read_text()
    assert "models" not in site.read_text()
    moved(migrator, [site])
    assert (base.read_bytes(), site.read_bytes()) == before


def test_an_overlay_whose_text_stays_goes_with_what_it_extends_too(
    migrator: FileMigrator, tmp_path: Path
) -> None:
    base, site = tmp_path / "base.yaml", tmp_path / "site.yaml"
    base.write_text("schema: 1\nprovider: {kind: local}\n")
    site.write_text("extends: base\nperformance_targets: {}\n")
    before = (base.read_bytes(), site.read_bytes())
    moved(migrator, [site], 0)
    moved(migrator, [site])
    assert (base.read_bytes(), site.read_bytes()) == before


def test_a_file_of_a_set_that_cannot_be_written_leaves_all_as_they_were(
    migrator: FileMigrator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = texts(folder)
    plans = migrator.plan_all([folder / "local.yaml", folder / "onprem.yaml"], 0)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(journals, "write_atomic", broken(plans[-1].path, full))
    with pytest.raises(MigrationError, match=r"are as they were: .*No space left"):
        migrator.apply_all(plans, actor="ann")
    assert texts(folder) == before
    assert [item.outcome for item in migrator.history()] == [Outcome.UNDONE] * 3


def test_what_could_not_be_put_back_is_said_and_put_back_by_the_next(
    migrator: FileMigrator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = texts(folder)
    plans = migrator.plan_all([folder / "local.yaml", folder / "onprem.yaml"], 0)
    left = [1]

    def full(target: Path, content: bytes, *, mode: int) -> None:
        if target.parent == folder:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        write_atomic(target, content, mode=mode)

    monkeypatch.setattr(journals, "write_atomic", full)
    with pytest.raises(MigrationError, match="some files are migrated and others not"):
        migrator.apply_all(plans, actor="ann")
    with pytest.raises(MigrationError, match=r"cannot be put back: .*No space left"):
        migrator.settle()
    monkeypatch.undo()
    assert migrator.settle() == (plans[0].path,)
    assert texts(folder) == before
    assert migrator.settle() == ()


def test_nothing_is_put_back_over_what_somebody_wrote_after_a_kill(
    migrator: FileMigrator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = migrator.plan_all([folder / "local.yaml", folder / "onprem.yaml"], 0)
    monkeypatch.setattr(journals, "write_atomic", broken(plans[1].path, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        migrator.apply_all(plans, actor="ann")
    monkeypatch.undo()
    plans[2].path.write_text("# Mine.\nschema: 1\n")
    now = texts(folder)
    assert migrator.settle() == ()
    assert texts(folder) == now
    assert [item.outcome for item in migrator.history()] == ["ok", "undone", "unknown"]


def test_a_text_of_before_that_somebody_changed_is_not_given_back(
    migrator: FileMigrator, tmp_path: Path
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("schema: 1\nprovider: {kind: local}\n")
    moved(migrator, [file], 0)
    file.write_text("performance_targets: {}\n")
    moved(migrator, [file])
    (kept,) = [item.old for item in migrator.history() if item.after == 1]
    kept.write_text("performance_targets: {storage: {}}\n")
    moved(migrator, [file], 0)
    assert file.read_text() == "performance_targets: {}\n"
