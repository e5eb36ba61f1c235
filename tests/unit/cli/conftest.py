"""What commands of these tests meet."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hxp_enterprise_llm.cli.main import run
from hxp_enterprise_llm.testing.world import World, running_world

FILE = """\
schema: 1
provider: {kind: local}
hosts:
  llm-1: {roles: [vllm, gateway], memory: 8GiB}
"""


@pytest.fixture
def world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[World]:
    with running_world(tmp_path, monkeypatch, capsys) as found:
        yield found


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the state folder of environment `local` in a checkout of the test's own."""
    (tmp_path / "Pulumi.yaml").write_text("name: test\n")
    (tmp_path / "stacks/environments").mkdir(parents=True)
    (tmp_path / "stacks/environments/local.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".citadel/local"


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a command with a text on standard input."""

    def call(*words: str, stdin: str = "") -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        return run(["secrets", *words])

    return call
