"""`make features`: the rows of docs/features.yaml with the tests that prove them.

Fails for a row that is done without a test, and for a mark that names no row.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

_ROOT = Path(__file__).resolve().parent.parent


class Row(BaseModel):
    """One row: what is asked, which issue builds it, and whether it is done."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    issue: int
    state: Literal["open", "done"]


class _Collector:
    """Notes which tests carry `@pytest.mark.feature`."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = defaultdict(list)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Take the marks of every test that pytest found."""
        for item in items:
            for identity in _identities(item):
                name = item.nodeid.partition("[")[0]
                if name not in self.tests[identity]:
                    self.tests[identity].append(name)


def _identities(item: pytest.Item) -> list[str]:
    return [str(one) for mark in item.iter_markers("feature") for one in mark.args]


def rows(file: Path) -> dict[str, Row]:
    """Read the rows by their ids."""
    document: Any = yaml.safe_load(file.read_text())
    return TypeAdapter(dict[str, Row]).validate_python(document)


def marked(root: Path) -> dict[str, list[str]]:
    """Return the tests by the ids that they are marked with.

    Raises:
        SystemExit: pytest could not collect the tests.
    """
    collector = _Collector()
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        code = pytest.main(
            ["--collect-only", "-q", f"--rootdir={root}", str(root / "tests")], plugins=[collector]
        )
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        raise SystemExit(shown.getvalue())
    return collector.tests


def faults(known: dict[str, Row], tests: dict[str, list[str]]) -> list[str]:
    """Return what is wrong: done without a test, or marked without a row."""
    unproven = [
        f"{identity} is done, and no test is marked with it"
        for identity, row in known.items()
        if row.state == "done" and not tests.get(identity)
    ]
    unknown = [
        f"{identity} is no row of docs/features.yaml, and {names[0]} is marked with it"
        for identity, names in tests.items()
        if identity not in known
    ]
    return unproven + unknown


def main() -> int:
    """Print rows, tests and faults; return 1 when there is a fault."""
    known = rows(_ROOT / "docs" / "features.yaml")
    tests = marked(_ROOT)
    for identity, row in known.items():
        sys.stdout.write(f"{identity}  {row.state:4}  issue {row.issue}  {row.text}\n")
        sys.stdout.writelines(f"         {name}\n" for name in tests.get(identity, ()))
    done = sum(row.state == "done" for row in known.values())
    sys.stdout.write(f"{done} of {len(known)} rows are done\n")
    wrong = faults(known, tests)
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
