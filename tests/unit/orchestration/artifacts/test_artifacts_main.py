"""What maintainers run when a lock changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hxp_enterprise_llm.orchestration import paths
from hxp_enterprise_llm.orchestration.artifacts.__main__ import main
from hxp_enterprise_llm.orchestration.artifacts.own_wheel import LOCKS


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with what a lock is made from, and a stale lock."""
    for name in ("pyproject.toml", "uv.lock", "README.md", "Pulumi.yaml"):
        shutil.copyfile(paths.checkout() / name, tmp_path / name)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "locks").mkdir()
    for path in LOCKS.values():
        (tmp_path / path).write_text("stale\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_lock_writes_what_is_committed(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock"]) == 0
    for path in LOCKS.values():
        assert (copy / path).read_text() == (Path(__file__).parents[4] / path).read_text()
    assert capsys.readouterr().out == "".join(f"wrote {path}\n" for path in LOCKS.values())


def test_a_uv_lock_that_does_not_fit_is_told_and_leaves_the_lock(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "uv.lock").write_text("version = 1\n")
    assert main(["lock"]) == 1
    assert "run: uv lock" in capsys.readouterr().err
    assert {(copy / path).read_text() for path in LOCKS.values()} == {"stale\n"}


@pytest.mark.parametrize("words", [[], ["loc"], ["lock", "flags"]])
def test_other_words_are_answered_with_the_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 1
    assert "artifacts lock|flags" in capsys.readouterr().err
