"""`make coverage` holds lines and branches to a bar of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tools.covered import main, shares

pytestmark = pytest.mark.feature("QB-01")


def report(folder: Path, lines: int, branches: int) -> str:
    totals = {
        "covered_lines": lines,
        "num_statements": 1000,
        "covered_branches": branches,
        "num_branches": 200,
    }
    file = folder / "coverage.json"
    file.write_text(json.dumps({"totals": totals}))
    return str(file)


@pytest.mark.parametrize(
    ("lines", "branches", "code"),
    [(951, 191, 0), (950, 191, 1), (951, 190, 1), (1000, 189, 1), (949, 200, 1)],
)
def test_more_than_95_percent_of_lines_and_of_branches_is_the_bar(
    lines: int, branches: int, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(report(tmp_path, lines, branches)) == code
    said = capsys.readouterr().out
    assert f"lines: {lines / 10:.2f} % (bar: more than 95 %)\n" in said
    assert f"branches: {branches / 2:.2f} % (bar: more than 95 %)\n" in said


def test_where_nothing_branches_nothing_is_missed() -> None:
    totals = {"covered_lines": 0, "num_statements": 4, "covered_branches": 0, "num_branches": 0}
    assert shares(totals) == {"lines": 0.0, "branches": 100.0}
