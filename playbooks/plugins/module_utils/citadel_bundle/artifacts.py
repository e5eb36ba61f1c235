"""Artifacts on a host: virtual environments built from the store, models linked into place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .store import STORE, VIEW
from .system import BundleError, Host, make_folders, replace_link

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
    return path.is_symlink() and (path / VIEW).exists()


def _place_one(host: Host, item: Mapping[str, Any], build: Build) -> None:
    store = host.path(STORE)
    if not (store / item["view"] / VIEW).exists():
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
