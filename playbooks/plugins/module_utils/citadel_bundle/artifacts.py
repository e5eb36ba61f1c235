"""Artifacts on a host: virtual environments built from the store, models linked into place."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .lock import exclusive
from .system import BundleError, Host, make_folders, replace_link

STORE = "/opt/citadel/store"
_VIEW = "manifest.json"
_BLOCK = 1 << 20

Build = Callable[[str, str, str], bool]


def place(
    host: Host, wanted: Sequence[Mapping[str, Any]], build: Build, *, check: bool = False
) -> dict[str, Any]:
    """Build the environments and link the models that are missing.

    Args:
        host: Where.
        wanted: Artifacts with kind, path and view.
        build: Builds an environment from store, view and target.
        check: Only say which are missing.

    Raises:
        BundleError: The store lacks one.
    """
    missing = [item for item in wanted if not complete(host, item)]
    if not check:
        for item in missing:
            _place_one(host, item, build)
    changes = [{"kind": item["kind"], "action": "create", "path": item["path"]} for item in missing]
    return {"changed": bool(missing), "changes": changes}


def complete(host: Host, item: Mapping[str, Any]) -> bool:
    """Say whether an artifact is on the host, whole."""
    path = host.path(item["path"])
    if item["kind"] == "venv":
        return (path / "complete").exists()
    return path.is_symlink() and (path / _VIEW).exists()


def _place_one(host: Host, item: Mapping[str, Any], build: Build) -> None:
    store = host.path(STORE)
    if not (store / item["view"] / _VIEW).exists():
        raise BundleError(
            f"{item['view']} is not in the store; run `citadel artifacts fetch` and try again"
        )
    if item["kind"] == "venv":
        host.step(f"build {item['path']}")
        build(str(store), item["view"], str(host.path(item["path"])))
    else:
        host.step(f"link {item['path']}")
        make_folders(host.path(item["path"]).parent)
        replace_link(host.path(item["path"]), f"{STORE}/{item['view']}")


def lacking(host: Host, views: Sequence[str]) -> list[str]:
    """Return the views, and the program `bin/…`, that a host's own store does not have yet."""
    store = host.path(STORE)
    return [
        view for view in views if not (store / view / _VIEW).exists() and not _program(store, view)
    ]


def _program(store: Path, view: str) -> bool:
    return view.startswith("bin/") and (store / view).is_file()


def receive(host: Host, archives: Mapping[str, str]) -> dict[str, Any]:
    """Unpack views that were copied to the host, check every hash, and put them into its store.

    Args:
        host: Where.
        archives: View → path of a tar file with its content.

    Raises:
        BundleError: A file has another hash than the view's manifest says; nothing is kept.
    """
    with exclusive(host, "store", wait=600):
        for view, archive in archives.items():
            target = host.path(STORE) / view
            make_folders(target.parent)
            partial = target.with_name(f".{target.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            try:
                with tarfile.open(archive) as tar:
                    _extract(tar, partial)
                _verify(view, partial)
                received = partial / target.name if view.startswith("bin/") else partial
                received.replace(target)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return {"changed": bool(archives), "received": sorted(archives)}


def _extract(tar: tarfile.TarFile, target: Path) -> None:
    for member in tar.getmembers():
        parts = Path(member.name).parts
        if not (member.isfile() or member.isdir()) or ".." in parts or member.name.startswith("/"):
            raise BundleError(f"{member.name}: only plain files belong into the store")
    target.mkdir(parents=True)
    tar.extractall(target)  # noqa: S202 - every member was looked at


def _verify(view: str, folder: Path) -> None:
    manifest = folder / _VIEW
    if not manifest.exists():
        return  # a program; its hash is in the lock that the controller checked
    for name, entry in json.loads(manifest.read_text())["files"].items():
        if _hash(folder / name) != entry["sha256"]:
            raise BundleError(f"{view}/{name} has another SHA-256 than its manifest says")


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()
