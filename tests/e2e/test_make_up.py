"""`make up` in a clean clone, beside another environment: a real model answers, all apart."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import CHECKOUT, Live

from hxp_enterprise_llm.testing.hosts import podman


def make(clone: Path, *words: str) -> str:
    clean = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    done = subprocess.run(
        ["make", *words], cwd=clone, env=clean, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, timeout=2400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clone(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("clone") / "citadel"
    subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(folder)], check=True)
    yield folder
    make(folder, "down", "YES=1")
    mine = f"label=citadel.checkout={folder}"
    left = [
        podman("ps", "--all", "--quiet", "--filter", mine),
        podman("volume", "ls", "--quiet", "--filter", mine),
        podman("network", "ls", "--quiet", "--filter", mine),
    ]
    assert left == ["", "", ""]
    assert live.ask().status == 200


@pytest.fixture(scope="module")
def shown(clone: Path) -> str:
    return make(clone, "up")


def test_a_real_model_answers_at_the_end(shown: str) -> None:
    answer = shown[shown.index("8/8 ask") :].splitlines()[1].strip()
    assert "load balancer" in answer.lower()
    assert re.search(r"local is up in \d", shown)


def test_every_phase_is_shown_with_its_number(shown: str) -> None:
    for number in range(1, 9):
        assert f" {number}/8 " in shown


def test_the_curl_line_works_when_pasted(shown: str) -> None:
    line = next(line for line in shown.splitlines() if line.strip().startswith("try "))
    done = subprocess.run(
        ["bash", "-c", line.strip().removeprefix("try").strip()],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["model"] == "smollm2"


def test_embeddings_have_384_dimensions(clone: Path, shown: str) -> None:
    listed = subprocess.run(
        [clone / ".venv/bin/citadel", "verify", "local", "--output", "json"],
        cwd=clone, capture_output=True, text=True, check=True,
    )  # fmt: skip
    checks = json.loads(listed.stdout)["checks"]
    assert any(check["detail"] == "384 dimensions" for check in checks)


def test_again_with_nothing_changed_every_phase_is_marked_unchanged(
    clone: Path, shown: str
) -> None:
    again = make(clone, "up")
    for phase in ("packages", "python", "toolchain", "artifacts", "hosts", "converge"):
        assert re.search(rf"\d/8 {phase} +=", again), again


def test_the_first_clone_s_environment_is_as_it_was(live: Live, shown: str) -> None:
    assert live.ask().status == 200
    live.tool("pulumi", "preview", "-s", "test", "--refresh", "--expect-no-changes")
