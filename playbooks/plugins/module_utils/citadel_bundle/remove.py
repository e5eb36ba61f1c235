"""Take a service off a host: units, files, tree, credentials, manifest. Data stays."""

from __future__ import annotations

import shutil
from typing import Any

from . import facts, journal, manifest, units
from .lock import exclusive
from .system import Host


def remove(host: Host, service: str, *, check: bool = False) -> dict[str, Any]:
    """Remove a service that a bundle had applied. Can be run again after a crash.

    Args:
        host: Where.
        service: Its name.
        check: Only say what would be removed.

    Returns:
        `changed`, `removed` (paths and units) and `kept` (data directories).
    """
    if not check:
        with exclusive(host, service):
            journal.recover(host, service)
            return _remove(host, service, check=False)
    return _remove(host, service, check=True)


def _remove(host: Host, service: str, *, check: bool) -> dict[str, Any]:
    held = manifest.read(host, service)
    if held is None:
        return {"service": service, "changed": False, "removed": [], "kept": []}
    paths = _paths(service, held)
    directories = [item["path"] for item in held["directories"]]
    names = [unit["name"] for unit in held["units"] if not unit.get("keep")]
    here = [path for path in directories if host.path(path).exists()]
    if not check:
        _take_off(host, service, held, paths)
    return {
        "service": service,
        "changed": True,
        "removed": [*names, *paths],
        "kept": here,
    }


def _paths(service: str, held: manifest.Manifest) -> list[str]:
    items = [item["path"] for item in held["files"] + held["links"] if item.get("path")]
    return items + [manifest.credential_path(service, name) for name in held["credentials"]]


def _take_off(host: Host, service: str, held: manifest.Manifest, paths: list[str]) -> None:
    for unit in reversed([unit for unit in held["units"] if not unit.get("keep")]):
        host.step(f"stop {unit['name']}")
        units.stop(host, unit["name"])
    for path in paths:
        host.step(f"remove {path}")
        found = facts.look(host.path(path))
        if found is not None and found["kind"] in ("file", "link"):
            host.path(path).unlink()
    shutil.rmtree(host.path(manifest.credential_path(service, "")), ignore_errors=True)
    for folder in reversed(held.get("made_folders", [])):
        place = host.path(folder)
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
    host.run(["systemctl", "daemon-reload"], 120)
    for name in held["mask"]:  # the distribution's daemon does not come back at the next boot
        host.run(["systemctl", "disable", name], 120)
    place = manifest.folder(host, service)
    shutil.rmtree(place / "generations", ignore_errors=True)
    host.step("remove manifest")
    (place / "manifest.json").unlink()
    shutil.rmtree(place)
