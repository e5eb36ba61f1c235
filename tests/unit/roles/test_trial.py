"""The throw-away server that validators of stores start, with small programs in its place."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trial

LISTENS = "import pathlib, time; print('up', flush=True); time.sleep(60)"


def server(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


def once_up(log: Path, answer: str) -> Callable[[], str | None]:
    return lambda: answer if "up" in log.read_text() else None


def test_a_server_that_comes_up_and_is_well_is_no_problem_and_is_ended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert trial.attempt(server(LISTENS), log, once_up(log, ""), 30) == ""
    # It was interrupted, and waited for.
    assert "KeyboardInterrupt" in log.read_text()


def test_what_the_verdict_says_comes_with_the_servers_own_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    found = trial.attempt(server(LISTENS), log, once_up(log, "line 3: nonsense"), 30)
    assert found.startswith("line 3: nonsense\nup\n")


def test_a_server_that_ends_by_itself_is_a_problem_with_its_last_words(tmp_path: Path) -> None:
    code = "import sys; sys.exit('FATAL: hz')"
    found = trial.attempt(server(code), tmp_path / "log", lambda: None, 30)
    assert found == "the server does not start on the staged configuration\nFATAL: hz\n"


def test_a_server_that_never_answers_is_a_problem_after_its_time(tmp_path: Path) -> None:
    found = trial.attempt(server(LISTENS), tmp_path / "log", lambda: None, 0.2)
    assert found.startswith("the server did not start within 0 s")


def test_a_trial_has_a_copy_of_the_tree_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/value").write_text("staged")
    seen: list[Path] = []

    def look(work: Path) -> str:
        seen.append(work)
        return "wrong: " + (work / "tree/value").read_text()

    monkeypatch.setattr(sys, "argv", ["validate.py", str(tmp_path / "tree")])
    with pytest.raises(SystemExit, match="wrong: staged"):
        trial.judge(look, getpass.getuser())
    assert not seen[0].exists()


def test_a_sound_tree_is_no_exit_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/value").write_text("staged")
    seen: list[tuple[Path, str]] = []

    def look(work: Path) -> str:
        seen.append((work, (work / "tree/value").read_text()))
        return ""

    monkeypatch.setattr(sys, "argv", ["validate.py", str(tmp_path / "tree")])
    # Whoever calls the program ends with 0 where this returns.
    trial.judge(look, getpass.getuser())
    ((work, value),) = seen
    assert (value, work.exists()) == ("staged", False)
    assert (tmp_path / "tree/value").read_text() == "staged"
