"""An environment belongs to one file; another of the same name never drives its stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.loader import LoadedEnvironment, load
from hxp_enterprise_llm.core.exceptions import ExitCode, RefusedError
from hxp_enterprise_llm.orchestration.ownership import forget, record, refuse_other

TEXT = "schema: 1\nprovider: {kind: local}\nhosts: {data-1: {roles: [redis], memory: 1GiB}}\n"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkout"
    (folder / "stacks" / "environments").mkdir(parents=True)
    (folder / "Pulumi.yaml").touch()
    monkeypatch.chdir(folder)
    return folder


def at(path: Path) -> LoadedEnvironment:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEXT)
    return load(str(path))


def test_the_file_that_made_it_goes_on_and_another_is_refused_with_both_paths(
    checkout: Path, tmp_path: Path
) -> None:
    first, second = at(tmp_path / "a" / "lab.yaml"), at(tmp_path / "b" / "lab.yaml")
    record(first)
    record(first)
    with pytest.raises(RefusedError) as caught:
        refuse_other(second)
    assert caught.value.exit_code is ExitCode.REFUSED
    assert f"lab was made from {first.path}, not {second.path}" in caught.value.message
    assert f"Rename {second.path}" in caught.value.next_step
    assert f"citadel destroy {first.path}" in caught.value.next_step
    with pytest.raises(RefusedError):
        record(second)


def test_a_name_of_the_checkout_belongs_to_its_file_before_anything_is_made(
    checkout: Path, tmp_path: Path
) -> None:
    own, other = at(checkout / "stacks/environments/local.yaml"), at(tmp_path / "x" / "local.yaml")
    refuse_other(own)
    with pytest.raises(RefusedError, match=r"belongs to stacks/environments/local\.yaml"):
        refuse_other(other)
    assert not (checkout / ".citadel").exists()


def test_after_destroy_the_name_is_free_again(checkout: Path, tmp_path: Path) -> None:
    note = checkout / ".citadel/lab/made-from"
    record(at(tmp_path / "a" / "lab.yaml"))
    assert note.read_text() == f"{tmp_path}/a/lab.yaml\n"
    forget("lab")
    assert not note.exists()
    record(at(tmp_path / "b" / "lab.yaml"))
    assert note.read_text() == f"{tmp_path}/b/lab.yaml\n"


def test_a_moved_checkout_takes_its_files_along(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(at(checkout / "sites" / "lab.yaml"))
    moved = checkout.rename(tmp_path / "moved")
    monkeypatch.chdir(moved)
    refuse_other(load(str(moved / "sites" / "lab.yaml")))
    with pytest.raises(RefusedError, match=r"made from sites/lab\.yaml"):
        refuse_other(at(tmp_path / "x" / "lab.yaml"))


def test_another_way_to_the_same_file_is_the_same_file(checkout: Path, tmp_path: Path) -> None:
    first = at(tmp_path / "a" / "lab.yaml")
    record(first)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    linked = load(str(tmp_path / "link" / "lab.yaml"))
    assert linked.path != first.path
    refuse_other(linked)
    record(linked)
    assert (checkout / ".citadel/lab/made-from").read_text() == f"{first.path}\n"
    # A copy is another file.
    with pytest.raises(RefusedError):
        refuse_other(at(tmp_path / "copy" / "lab.yaml"))


def test_a_checkout_with_another_one_s_state_knows_its_files(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = at(checkout / "sites" / "lab.yaml")
    record(first)
    second = tmp_path / "second"
    (second / "stacks").mkdir(parents=True)
    (second / "Pulumi.yaml").touch()
    (second / ".citadel").symlink_to(checkout / ".citadel")
    monkeypatch.chdir(second)
    refuse_other(first)
    with pytest.raises(RefusedError):
        refuse_other(at(second / "sites" / "lab.yaml"))


def test_a_moved_file_is_refused_with_the_way_to_go_on(checkout: Path, tmp_path: Path) -> None:
    first = at(tmp_path / "a" / "lab.yaml")
    record(first)
    moved = first.path.rename(checkout / "lab.yaml")
    with pytest.raises(RefusedError) as caught:
        refuse_other(load(str(moved)))
    assert caught.value.next_step.endswith("rm .citadel/lab/made-from")
    (checkout / ".citadel/lab/made-from").unlink()
    refuse_other(load(str(moved)))
