"""What commands of these tests meet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hxp_enterprise_llm.testing.world import World, running_world


@pytest.fixture
def world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[World]:
    with running_world(tmp_path, monkeypatch, capsys) as found:
        yield found
