"""`make features` fails where a claim has no test."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.features import Row, faults, main, marked, rows

OPEN = Row(text="something", issue=4, state="open")
DONE = Row(text="something", issue=4, state="done")


def test_a_done_row_without_a_test_is_a_fault() -> None:
    assert faults({"CO-01": DONE}, {}) == ["CO-01 is done, and no test is marked with it"]


def test_an_open_row_needs_no_test() -> None:
    assert faults({"CO-01": OPEN}, {}) == []


def test_a_done_row_with_a_test_is_no_fault() -> None:
    assert faults({"CO-01": DONE}, {"CO-01": ["test_it"]}) == []


def test_a_mark_without_a_row_is_a_fault() -> None:
    found = faults({"CO-01": OPEN}, {"CO-99": ["test_it"]})
    assert found == ["CO-99 is no row of docs/features.yaml, and test_it is marked with it"]


def test_marks_are_found_with_the_names_of_their_tests(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_one.py").write_text(
        "import pytest\n"
        '@pytest.mark.feature("CO-01", "CO-02")\n'
        '@pytest.mark.parametrize("n", [1, 2])\n'
        "def test_it(n): pass\n"
    )
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nmarkers = feature\nasyncio_default_fixture_loop_scope = function\n"
    )
    assert marked(tmp_path) == {
        "CO-01": ["tests/test_one.py::test_it"],
        "CO-02": ["tests/test_one.py::test_it"],
    }


def test_the_rows_of_the_project_are_read() -> None:
    known = rows(Path("docs/features.yaml"))
    assert known["CO-01"].issue == 4
    assert len(known) > 90


def test_a_row_with_an_unknown_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "features.yaml").write_text("CO-01: {text: x, issue: 4, state: maybe}\n")
    with pytest.raises(ValueError, match="CO-01"):
        rows(tmp_path / "features.yaml")


def test_rows_tests_and_faults_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.features.rows", lambda _file: {"CO-01": DONE, "CO-02": DONE})
    monkeypatch.setattr("tools.features.marked", lambda _root: {"CO-01": ["test_it"]})
    assert main() == 1
    shown = capsys.readouterr()
    assert "CO-01  done  issue 4  something\n         test_it\n" in shown.out
    assert "2 of 2 rows are done" in shown.out
    assert shown.err == "CO-02 is done, and no test is marked with it\n"
