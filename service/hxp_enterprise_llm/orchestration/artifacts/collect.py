"""Looks after the store: hashes again, and finds what nobody needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.artifacts.progress import size
from hxp_enterprise_llm.orchestration.artifacts.roots import roots
from hxp_enterprise_llm.orchestration.artifacts.store import Store, hash_file
from hxp_enterprise_llm.schemas.artifacts import ArtifactRef
from hxp_enterprise_llm.utilities.report import Report


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was locked."""

    artifact: str
    problem: str


@dataclass(frozen=True)
class Garbage:
    """Something that no environment needs."""

    path: Path
    size: int


def verify(store: Store, refs: Iterable[ArtifactRef], report: Report) -> list[Finding]:
    """Hash every file of some artifacts again.

    A view with a changed file is set aside whole, so that the next fetch makes it anew.
    """
    findings: list[Finding] = []
    for ref in refs:
        if not store.has_view(ref.view):
            findings.append(Finding(ref.view, "missing; run: citadel artifacts fetch"))
            continue
        view = store.view(ref.view)
        report(f"{ref.name}: {len(view.files)} files, {size(view.size)}")
        changed = _changed(store, view.files, store.root / ref.view)
        findings += [Finding(f"{ref.view}/{path}", problem) for path, problem in changed.items()]
        if changed:
            store.set_aside(store.root / ref.view, f"{ref.folder}.changed")
    return findings


def _changed(store: Store, files: Iterable[str], folder: Path) -> dict[str, str]:
    expected = store.view(str(folder.relative_to(store.root))).files
    changed: dict[str, str] = {}
    for path in files:
        file = folder / path
        if not file.exists():
            changed[path] = "missing"
            continue
        actual = hash_file(file)
        if actual != expected[path]:
            changed[path] = f"expected {expected[path]}, actual {actual}; set aside"
            blob = store.blob(expected[path])
            if blob.exists() and blob.samefile(file):
                store.set_aside(blob, f"{file.name}.{actual[:16]}")
    return changed


def garbage(store: Store, venvs: Path) -> list[Garbage]:
    """Return what no existing environment file needs.

    Records, views, virtual environments and blobs; and what was refused or left half done.
    """
    known = list(roots(store))
    needed = {ref for root in known if root.alive for ref in root.artifacts}
    views = {ref.view for ref in needed}
    folders = {Path(ref.path).name for ref in needed if ref.kind == "venv"}
    found = [Garbage(root.record, 0) for root in known if not root.alive]
    idle_views = (view for view in store.views() if view.name not in views)
    found += [Garbage(store.root / view.name, 0) for view in idle_views]
    if venvs.is_dir():
        idle = (path for path in sorted(venvs.iterdir()) if path.name not in folders)
        found += [Garbage(path, _size(path)) for path in idle if _is_venv(path)]
    for name in ("partial", "quarantine"):
        left = sorted((store.root / name).iterdir())
        found += [Garbage(path, _size(path)) for path in left]
    going = {item.path for item in found}
    kept = {sha for view in store.views() if store.root / view.name not in going
            for sha in view.files.values()}  # fmt: skip
    programs = {path.stat().st_ino for path in (store.root / "bin").iterdir()}
    for blob in sorted((store.root / "blobs" / "sha256").iterdir()):
        if blob.name not in kept and blob.stat().st_ino not in programs:
            found.append(Garbage(blob, blob.stat().st_size))
    return found


def remove(store: Store, items: Iterable[Garbage]) -> None:
    """Remove what `garbage` returned.

    Raises:
        CitadelError: A fetch is running, or a virtual environment belongs to root.
    """
    with store.alone():
        for item in items:
            try:
                if item.path.is_dir():
                    shutil.rmtree(item.path)
                else:
                    item.path.unlink()
            except PermissionError:
                raise CitadelError(
                    f"{item.path} belongs to root: a host built it",
                    next_step=f"run: sudo rm -r {item.path}, then this again.",
                ) from None


def _is_venv(path: Path) -> bool:
    # A name with a dot is what a builder works on now.
    return path.is_dir() and not path.name.startswith(".")


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.lstat().st_size for file in files if not file.is_dir())
