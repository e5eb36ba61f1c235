"""Trees that we own: generations of a service's files and the link `current`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from . import facts, manifest
from .system import Host, make_folders, replace_link, sync_folder, write_synced

KEEP = 3


def folder(host: Host, service: str) -> Path:
    """Return the folder of a service's generations."""
    return manifest.folder(host, service) / "generations"


def current(host: Host, service: str) -> str | None:
    """Return what `current` points at (`generations/7`), None when there is none."""
    link = manifest.folder(host, service) / "current"
    return str(link.readlink()) if link.is_symlink() else None


def numbers(host: Host, service: str) -> list[int]:
    """Return the numbers of the generations that lie on the host, ascending."""
    place = folder(host, service)
    names = [path.name for path in place.iterdir()] if place.is_dir() else []
    return sorted(int(name) for name in names if name.isdigit())


def stage(host: Host, service: str, items: list[dict[str, Any]]) -> str:
    """Write a whole new generation that nothing points at yet; return `generations/N`."""
    target = f"generations/{max(numbers(host, service), default=0) + 1}"
    place = manifest.folder(host, service) / target
    make_folders(place)
    for item in items:
        path = place / item["tree"]
        host.step(f"stage {item['tree']}")
        make_folders(path.parent)
        write_synced(path, item["content"].encode(), facts.mode_of(item), facts.owner_of(item))
    sync_folder(place.parent)
    return target


def swap(host: Host, service: str, target: str | None) -> None:
    """Point `current` at a generation, or take it away."""
    link = manifest.folder(host, service) / "current"
    if target is None:
        link.unlink(missing_ok=True)
        sync_folder(link.parent)
    else:
        replace_link(link, target)


def discard(host: Host, service: str, target: str | None) -> None:
    """Remove a generation that was staged and is not wanted."""
    if target:
        shutil.rmtree(manifest.folder(host, service) / target, ignore_errors=True)


def prune(host: Host, service: str) -> None:
    """Keep the newest generations and the current one; what is newer than it was never applied."""
    here = int((current(host, service) or "generations/0").rpartition("/")[2])
    found = numbers(host, service)
    keep = {number for number in found if number <= here}
    for number in set(found) - set(sorted(keep)[-KEEP:]):
        host.step(f"prune generation {number}")
        discard(host, service, f"generations/{number}")
