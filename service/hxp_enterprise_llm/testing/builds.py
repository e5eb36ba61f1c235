"""Programs that tests run against: built once from pinned Go modules, never shipped.

They lie in the user's cache, named by what they are made from, so that checkouts share them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.orchestration.golang import build, go_for
from hxp_enterprise_llm.orchestration.paths import cache, checkout
from hxp_enterprise_llm.utilities.report import Report


@dataclass(frozen=True)
class Build:
    """A program of a Go module in tools/.

    Attributes:
        name: What it is called.
        module: Folder in tools/ with go.mod and go.sum.
        package: Its package.
    """

    name: str
    module: str
    package: str


VAULT = Build("vault", "vault", "github.com/hashicorp/vault")
ETCD = Build("etcd", "kubernetes", "go.etcd.io/etcd/server/v3")
API_SERVER = Build("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver")


def ensure(program: Build, report: Report) -> Path:
    """Return a program, built first when the cache lacks it.

    Args:
        program: Which one.
        report: Takes a line for each step.

    Raises:
        CitadelError: It cannot be built; the text names the cause.
    """
    module = checkout() / "tools" / program.module
    folder = cache() / "programs" / f"{program.name}-{_digest(module)}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder / program.name
    with (folder.parent / f"{program.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _make(program, module, folder, report)
    return path


def _make(program: Build, module: Path, folder: Path, report: Report) -> None:
    # The lock is held: what is there, a killed build left.
    for left in folder.parent.glob(f".{program.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        go = go_for(module, report)
        build(go, module, program.package, work / program.name, "", report)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _digest(module: Path) -> str:
    content = hashlib.sha256(os.uname().machine.encode())
    for name in ("go.mod", "go.sum"):
        content.update((module / name).read_bytes())
    return content.hexdigest()[:16]
