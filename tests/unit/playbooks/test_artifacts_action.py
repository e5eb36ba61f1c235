"""What the operator's side sends to a host's own store."""

from __future__ import annotations

import hashlib
import importlib.util
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError

SOURCE = Path(__file__).parents[3] / "playbooks/plugins/action/citadel_artifacts.py"


@pytest.fixture(scope="module")
def action() -> ModuleType:
    spec = importlib.util.spec_from_file_location("action_citadel_artifacts", SOURCE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_archive_says_nothing_of_the_operators_users(action: ModuleType, tmp_path: Path) -> None:
    view = tmp_path / "view"
    (view / "deep").mkdir(parents=True)
    (view / "deep/data").write_text("x")
    (view / "deep/data").chmod(0o666)
    action.pack(view, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        members = tar.getmembers()
    assert [info.name for info in members] == ["deep", "deep/data"]
    assert {(info.uid, info.gid, info.uname, info.gname) for info in members} == {(0, 0, "", "")}
    assert all(info.mode & 0o7022 == 0 for info in members)


def test_files_of_the_same_content_are_packed_as_plain_files(
    action: ModuleType, tmp_path: Path
) -> None:
    view = tmp_path / "view"
    view.mkdir()
    (view / "one").write_text("same")
    (view / "two").hardlink_to(view / "one")
    action.pack(view, tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert [info.isreg() for info in tar.getmembers()] == [True, True]


def test_a_program_stands_for_itself_and_a_view_for_its_manifest(
    action: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "view").mkdir()
    for name in ("uv", "view/manifest.json"):
        (tmp_path / name).write_text(name)
    assert action.digest(tmp_path / "uv") == hashlib.sha256(b"uv").hexdigest()
    expected = hashlib.sha256(b"view/manifest.json").hexdigest()
    assert action.digest(tmp_path / "view") == expected


def test_what_the_operator_does_not_have_is_an_error_with_the_next_step(
    action: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(CitadelError) as caught:
        action.digest(tmp_path / "missing")
    assert "citadel artifacts fetch" in str(caught.value.next_step)
