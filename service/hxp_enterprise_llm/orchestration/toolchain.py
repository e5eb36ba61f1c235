"""Finds or makes a Pulumi engine: PATH, then what was made before, then a build of its Go module.

Nothing is downloaded whose hash is not in the checkout: go.sum names every module.

What is made lies in `cache()/toolchain/DIGEST`, named by everything that it is made from, so
that checkouts share it and a changed pin makes a new one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.golang import build, go_for, module_folder
from hxp_enterprise_llm.orchestration.paths import cache, checkout
from hxp_enterprise_llm.utilities.files import write_atomic
from hxp_enterprise_llm.utilities.process import run
from hxp_enterprise_llm.utilities.report import Report

Way = Callable[[Path, Report], None]

VERSION = "3.250.0"
# The first engine whose `--expect-no-changes` ends with 7, which drift relies on.
MINIMUM = (3, 227, 0)
_SOURCE = "built from its Go module"
_MODULES = ("pulumi", "pulumi-language-python")
_SDK = "github.com/pulumi/pulumi/sdk/v3"
_ENGINE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_HOST = f"{_SDK}/python/cmd/pulumi-language-python"
_SCRIPTS = (
    "python/cmd/pulumi-language-python-exec",
    "python/dist/pulumi-resource-pulumi-python",
)
_SOURCE_FILE = "source"


@dataclass(frozen=True)
class Toolchain:
    """A Pulumi engine with its Python language host.

    Attributes:
        version: The engine's version.
        source: Where it came from, in words.
        folder: Folder of the programs; comes first on PATH.
        built: Whether this call made it.
    """

    version: str
    source: str
    folder: Path
    built: bool

    @property
    def pulumi(self) -> Path:
        """The engine's program."""
        return self.folder / "pulumi"


def ensure(report: Report) -> Toolchain:
    """Return an engine, made first when the machine has none that is new enough.

    Args:
        report: Takes a line for each step.

    Raises:
        CitadelError: There is none and none could be built.
    """
    made = cache() / "toolchain" / digest(checkout() / "tools")
    found = on_path(os.environ, made.parent) or _made(made)
    if found is not None:
        return found
    with _locked(report):
        found = _made(made)
        if found is not None:
            return found
        make(made, report, from_source)
    found = _made(made)
    if found is None:
        raise CitadelError(
            f"the engine in {made} does not run",
            next_step="Remove that folder and run the same command again.",
        )
    return Toolchain(found.version, found.source, found.folder, built=True)


def digest(tools: Path) -> str:
    """Return the digest of everything that an engine is made from.

    Args:
        tools: Folder with the pinned Go modules.
    """
    content = hashlib.sha256(f"{VERSION}\0{os.uname().machine}".encode())
    for module in _MODULES:
        for name in ("go.mod", "go.sum"):
            content.update((tools / module / name).read_bytes())
    return content.hexdigest()[:16]


def on_path(environment: Mapping[str, str], own: Path) -> Toolchain | None:
    """Return the engine on PATH when it is new enough and has its language host.

    Args:
        environment: Variables to look at.
        own: Folder of engines that we made; those are not the machine's.
    """
    path = environment.get("PATH", "")
    pulumi = shutil.which("pulumi", path=path)
    if pulumi is None or shutil.which("pulumi-language-python", path=path) is None:
        return None
    folder = Path(pulumi).parent
    if own in folder.parents:
        return None
    version = _version(Path(pulumi))
    if _numbers(version) < MINIMUM:
        return None
    return Toolchain(version, "on PATH", folder, built=False)


def _made(folder: Path) -> Toolchain | None:
    programs, source = folder / "bin", folder / _SOURCE_FILE
    # Engines of another origin were made by versions that took what no hash pins.
    if not source.exists() or source.read_text().strip() != _SOURCE:
        return None
    version = _version(programs / "pulumi")
    if not version:
        return None
    return Toolchain(version, _SOURCE, programs, built=False)


def _version(pulumi: Path) -> str:
    variables = os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    return run((str(pulumi), "version"), env=variables, check=False).stdout.strip().lstrip("v")


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return tuple(int(number) for number in match.groups()) if match else ()


def make(folder: Path, report: Report, fill: Way) -> None:
    """Make an engine under a temporary name, and give it its own once it is whole.

    Args:
        folder: Where it shall lie.
        report: Takes a line for each step.
        fill: Puts the engine into a folder's `bin`.

    Raises:
        CitadelError: It could not be made; the text says why.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    # A name of its own: what a killed run had started may still be writing to the old one.
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    work.chmod(0o755)
    try:
        fill(work, report)
    except (CitadelError, OSError) as error:
        shutil.rmtree(work, ignore_errors=True)
        raise CitadelError(
            f"no Pulumi engine could be had\n{error}",
            next_step=f"Put pulumi {VERSION} on PATH, or make a Go module proxy reachable.",
        ) from error
    write_atomic(work / _SOURCE_FILE, f"{_SOURCE}\n")
    shutil.rmtree(folder, ignore_errors=True)
    work.rename(folder)


def from_source(work: Path, report: Report) -> None:
    """Build the engine and its language host from the modules that tools/ pins.

    Args:
        work: Folder to fill.
        report: Takes a line for each step.
    """
    tools = checkout() / "tools"
    go = go_for(tools / "pulumi", report)
    programs = work / "bin"
    version = f"-X {_SDK}/go/common/version.Version={VERSION}"
    build(go, tools / "pulumi", _ENGINE, programs / "pulumi", version, report)
    host = programs / "pulumi-language-python"
    build(go, tools / "pulumi-language-python", _HOST, host, "", report)
    for script in _SCRIPTS:
        target = programs / Path(script).name
        shutil.copyfile(module_folder(go, tools / "pulumi", _SDK) / script, target)
        target.chmod(0o755)


@contextmanager
def _locked(report: Report) -> Iterator[None]:
    folder = cache() / "toolchain"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another checkout that makes the same engine")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
