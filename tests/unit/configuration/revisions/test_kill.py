"""kill -9 at any moment of a write: old revisions stay, the new one is whole or not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("killed.py")


@pytest.mark.feature("CL-06", "CM-02")
def test_a_writer_that_is_killed_between_any_two_calls_leaves_old_or_new(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(PROGRAM), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = [line.split() for line in done.stdout.splitlines()]
    kept = [int(before) for before, _, _ in found]
    # Opening, locking, writing, syncing and renaming are more than ten calls.
    assert len(kept) > 10
    # Not there at first, then there for good; never half.
    assert sorted(kept) == kept
    assert set(kept) == {1, 2}
    # The last child was not killed; each of the others was followed by one more revision.
    assert all(int(after) == int(before) + 1 for before, after, _ in found)
    # Whoever writes next clears what the killed one left.
    assert {left for _, _, left in found} == {".lock"}
