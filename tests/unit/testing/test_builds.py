"""Programs for tests are built once and kept; a killed or failed build leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.testing.builds import ETCD, ensure

GO = """\
#!/bin/sh
echo "$*" >> {folder}/asked
case "$1" in
version) echo go version go1.99.0 linux/amd64 ;;
mod) ;;
build) {build} ;;
esac
"""
WORKS = 'while [ "$1" != -o ]; do shift; done; echo made > "$2"'


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def go(machine: Path, build: str) -> None:
    (machine / "go").write_text(GO.format(folder=machine, build=build))
    (machine / "go").chmod(0o755)


def test_a_program_is_built_once_from_its_pinned_module(machine: Path) -> None:
    go(machine, WORKS)
    left = machine / "cache/citadel/programs/.etcd-0.killed"
    left.mkdir(parents=True)
    path = ensure(ETCD, print)
    assert path.read_text() == "made\n"
    assert ensure(ETCD, print) == path
    assert (machine / "asked").read_text().count("build -v") == 1
    assert "go.etcd.io/etcd/server/v3" in (machine / "asked").read_text()
    assert not left.exists()


def test_a_build_that_fails_leaves_nothing(machine: Path) -> None:
    go(machine, "echo no module proxy; exit 1")
    with pytest.raises(CitadelError, match="no module proxy"):
        ensure(ETCD, print)
    assert [file.name for file in (machine / "cache/citadel/programs").iterdir()] == ["etcd.lock"]
