from __future__ import annotations

import json
from pathlib import Path

import pytest

from hxp_enterprise_llm.cli.main import run
from hxp_enterprise_llm.core.exceptions import ExitCode

TEST = "tests/environments/test.yaml"


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "citadel"


def test_list_tells_what_an_environment_needs_and_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["artifacts", "list", TEST, "--output", "json"]) == ExitCode.OK
    rows = json.loads(capsys.readouterr().out)
    assert [(row["kind"], row["name"], row["present"]) for row in rows] == [
        ("venv", "vllm-cpu", False),
        ("venv", "gateway", False),
        ("model", "tiny", False),
    ]


def test_verify_of_an_empty_store_ends_with_2_and_names_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["artifacts", "verify", TEST]) == ExitCode.CHANGES
    assert "citadel artifacts fetch" in capsys.readouterr().out


def test_gc_only_tells_until_it_is_told_to_remove(
    empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["artifacts", "gc"]) == ExitCode.OK
    old = empty_cache / "venvs" / "old-0000000000000000"
    old.mkdir(parents=True)
    run(["artifacts", "gc"])
    assert str(old) in capsys.readouterr().out
    assert old.exists()
    run(["artifacts", "gc", "--yes"])
    assert not old.exists()
