"""Take everything off a host that goes its own way. Data, accounts and Debian packages stay."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from . import manifest, remove
from .lock import exclusive
from .store import STORE
from .system import Host

MODELS = "/opt/models"
VENVS = "/opt/citadel/venvs"
# Removed when nothing else is in them, the innermost first.
_FOLDERS = (manifest.CREDENTIALS, "/etc/citadel", manifest.HOME)


def leave(host: Host) -> dict[str, Any]:
    """Remove every service, environment, model and copy that Citadel put on a host.

    Safe to run again after a crash, and on a host where nothing is.

    Returns:
        `removed` (services and paths) and `kept` (folders with data).
    """
    removed: list[str] = []
    kept: list[str] = []
    # Others may still be watched by base's exporter.
    for service in sorted(manifest.services(host), key=lambda name: (name == "base", name)):
        done = remove.remove(host, service)
        removed += done["removed"]
        kept += done["kept"]
    with exclusive(host, "store", wait=600):
        removed += _artifacts(host)
    home = host.path(manifest.HOME)
    inner = sorted(home.iterdir()) if home.is_dir() else []
    for folder in (*inner, *(host.path(folder) for folder in _FOLDERS)):
        _remove_empty(folder)
    held = sorted(path for path in set(kept) if _holds_something(host.path(path)))
    # /opt/data says nothing beside /opt/data/redis.
    deepest = [path for path in held if not any(other.startswith(f"{path}/") for other in held)]
    return {"removed": removed, "kept": deepest}


def _artifacts(host: Host) -> list[str]:
    removed = []
    models = host.path(MODELS)
    for path in sorted(models.iterdir()) if models.is_dir() else ():
        if path.is_symlink() and os.readlink(path).startswith(f"{STORE}/"):  # noqa: PTH115
            host.step(f"remove {path}")
            path.unlink()
            removed.append(f"{MODELS}/{path.name}")
    for place in (VENVS, STORE):
        folder = host.path(place)
        # What is mounted there is not the host's own.
        if folder.is_dir() and not folder.is_mount():
            host.step(f"remove {place}")
            shutil.rmtree(folder)
            removed.append(place)
    return removed


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not folder.is_mount() and not any(folder.iterdir()):
        folder.rmdir()


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
