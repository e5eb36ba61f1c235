"""tools/bootstrap on a machine that has all Debian packages and uv, and no Python environment."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hxp_enterprise_llm.orchestration.paths import checkout

BOOTSTRAP = checkout() / "tools" / "bootstrap"
UV = """#!/bin/sh
case "$*" in
--version) echo "uv VERSION" ;;
*--check*) exit 1 ;;
*) echo "$@" >"$ASKED" ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (version,) = re.findall(r"^uv_version=(\S+)$", BOOTSTRAP.read_text(), re.MULTILINE)
    programs = {
        "dpkg-query": "#!/bin/sh\necho 'ii '\n",
        "sudo": "#!/bin/sh\n",
        "uv": UV.replace("VERSION", version),
    }
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "tools").mkdir()
    shutil.copy(BOOTSTRAP, tmp_path / "tools")
    (tmp_path / "uv.lock").write_text('name = "one"\nname = "two"\n')
    return tmp_path


@pytest.fixture
def terminal() -> Iterator[int]:
    ours, theirs = pty.openpty()
    yield theirs
    os.close(theirs)
    os.close(ours)


def bootstrap(machine: Path, stderr: int) -> str:
    """Run it and return the arguments with which uv installs."""
    asked = machine / "asked"
    variables = {
        "PATH": f"{machine / 'bin'}:/usr/bin:/bin",
        "HOME": str(machine),
        "ASKED": str(asked),
    }
    subprocess.run(
        [machine / "tools" / "bootstrap"], env=variables, stdout=subprocess.PIPE, stderr=stderr,
        check=True,
    )  # fmt: skip
    return asked.read_text().strip()


def test_on_a_terminal_uv_shows_its_own_progress(machine: Path, terminal: int) -> None:
    assert bootstrap(machine, terminal) == "sync --locked"


def test_in_a_pipe_uv_is_quiet(machine: Path) -> None:
    assert bootstrap(machine, subprocess.PIPE) == "sync --locked --quiet"
