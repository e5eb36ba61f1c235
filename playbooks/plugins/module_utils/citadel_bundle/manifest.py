"""What was applied last: /opt/citadel/<service>/manifest.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .system import BundleError, Host

Manifest = dict[str, Any]
VERSION = 1
HOME = "/opt/citadel"
CREDENTIALS = "/etc/citadel/credentials"


def folder(host: Host, service: str) -> Path:
    """Return the folder of a service's generations, manifest and journal."""
    return host.path(f"{HOME}/{service}")


def services(host: Host) -> list[str]:
    """Return the names of the services that a bundle was applied for, or begun."""
    home = host.path(HOME)
    if not home.is_dir():
        return []
    marks = ("manifest.json", "journal.json", "done.json")
    return sorted(
        path.name
        for path in home.iterdir()
        if path.is_dir() and any((path / mark).exists() for mark in marks)
    )


def read(host: Host, service: str) -> Manifest | None:
    """Return a service's manifest, None when nothing was applied yet.

    Raises:
        BundleError: The file cannot be parsed or was written by a newer Citadel.
    """
    path = folder(host, service) / "manifest.json"
    try:
        found: Manifest = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise BundleError(f"{path} is damaged ({error}); remove it and converge again") from None
    if found.get("version") != VERSION:
        raise BundleError(
            f"{path} has version {found.get('version')}, this Citadel reads {VERSION}"
        )
    return found


def path_of(service: str, item: dict[str, Any]) -> str:
    """Return where an item of a manifest or bundle lies on the host."""
    if item.get("tree"):
        return f"{HOME}/{service}/current/{item['tree']}"
    return str(item["path"])


def credential_path(service: str, name: str) -> str:
    """Return where a credential of a service lies."""
    return f"{CREDENTIALS}/{service}/{name}"


def owners(host: Host, except_service: str) -> dict[str, str]:
    """Return path → service for the files of every other service, to refuse two owners."""
    found: dict[str, str] = {}
    for service in services(host):
        manifest = None if service == except_service else read(host, service)
        for item in (manifest or {}).get("files", []) + (manifest or {}).get("links", []):
            if item.get("path"):
                found[item["path"]] = service
    return found
