"""A file is the old one or the new one, never a half; its mode is set before it has its name."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from hxp_enterprise_llm.utilities.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.feature("UT-11")


@pytest.mark.parametrize("content", ["Zwölf\n", b"\x00\xff"])
def test_the_whole_content_replaces_the_old(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    write_atomic(file, content, mode=0o600)
    assert file.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(file, "new")
    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
