"""Whoever is killed within a reload serves a whole revision after the restart."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hxp_enterprise_llm.orchestration.paths import checkout

CHILD = "tests.configuration.killed_child"
PHASES = ("build", "probe", "record", "recorded", "swap", "tell", "verify")


def run(folder: Path, phase: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", CHILD, str(folder), phase]
    return subprocess.run(command, cwd=checkout(), capture_output=True, text=True, check=False)


def said(process: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert process.returncode == 0, process.stderr
    answer: dict[str, Any] = json.loads(process.stdout)
    assert answer["stored"] == answer["revision"]
    return answer


@pytest.mark.feature("CL-06")
@pytest.mark.parametrize("phase", PHASES)
def test_a_process_that_is_killed_between_the_phases_comes_back_with_a_whole_revision(
    tmp_path: Path, phase: str
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "revisions").mkdir()
    (tmp_path / "config" / "1.yaml").write_text("level: 1\n")
    (tmp_path / "config" / "2.yaml").write_text("version: v1\n")
    assert said(run(tmp_path, ""))["serves"] == [1, "v1"]
    assert run(tmp_path, phase).returncode == -signal.SIGKILL
    after = said(run(tmp_path, ""))
    assert (after["serves"], after["ok"]) == ([2, "v2"], True)


def test_where_the_new_files_went_with_the_crash_the_stored_revision_serves(
    tmp_path: Path,
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "revisions").mkdir()
    (tmp_path / "config" / "1.yaml").write_text("level: 1\n")
    assert run(tmp_path, "verify").returncode == -signal.SIGKILL
    (tmp_path / "config" / "2.yaml").write_text("")
    after = said(run(tmp_path, ""))
    assert (after["serves"], after["ok"]) == ([2, "v2"], False)
