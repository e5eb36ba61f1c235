"""The one read of a host that every role is compared with."""

from __future__ import annotations

from typing import Any

from . import changes, facts, journal, manifest, units
from .system import Host

_STATUS = "/var/lib/dpkg/status"


def read(host: Host, nonce: bytes) -> dict[str, Any]:
    """Return services with manifest and actual facts, packages and artifacts of a host."""
    names = manifest.services(host)
    found = {name: _service(host, name, nonce) for name in names}
    asked = [unit for service in found.values() for unit in service.pop("asked")]
    states = units.show(host, list(dict.fromkeys(asked)))
    return {
        "services": found,
        "units": states,
        "packages": packages(host),
        "users": users(host),
        "artifacts": artifacts(host),
    }


def _service(host: Host, name: str, nonce: bytes) -> dict[str, Any]:
    held = manifest.read(host, name)
    found: dict[str, Any] = {
        "manifest": held,
        "interrupted": journal.pending(host, name),
        "actual": {},
        "tree": changes.tree_files(host, name),
        "asked": [],
    }
    if held is None:
        return found
    found["asked"] = [unit["name"] for unit in held["units"]] + list(held["mask"])
    for item in held["files"] + held["links"] + held["directories"]:
        path = manifest.path_of(name, item)
        found["actual"][path] = facts.look(host.path(path))
    for credential in held["credentials"]:
        path = manifest.credential_path(name, credential)
        found["actual"][path] = facts.look_sealed(host.path(path), nonce)
    return found


def packages(host: Host) -> dict[str, str]:
    """Return installed Debian packages with their versions, read from dpkg's own file."""
    found: dict[str, str] = {}
    path = host.path(_STATUS)
    for block in path.read_text(errors="replace").split("\n\n") if path.exists() else ():
        if "\nStatus: install ok installed\n" in block:
            name, version = _field(block, "Package"), _field(block, "Version")
            if name and version:
                found[name] = version
    return found


def _field(block: str, name: str) -> str | None:
    for line in block.splitlines():
        if line.startswith(name + ": "):
            return line.partition(": ")[2]
    return None


def users(host: Host) -> dict[str, list[str]]:
    """Return user → supplementary groups."""
    passwd, group = host.path("/etc/passwd"), host.path("/etc/group")
    names = [line.split(":")[0] for line in passwd.read_text().splitlines()]
    found: dict[str, list[str]] = {name: [] for name in names}
    for line in group.read_text().splitlines():
        parts = line.split(":")
        for member in filter(None, parts[3].split(",")) if len(parts) > 3 else ():
            found.setdefault(member, []).append(parts[0])
    return found


def artifacts(host: Host) -> list[str]:
    """Return the paths of virtual environments and models that are complete."""
    found = []
    for folder in ("/opt/citadel/venvs", "/opt/models"):
        place = host.path(folder)
        for name in sorted(path.name for path in place.iterdir()) if place.is_dir() else ():
            path = place / name
            if (path / "complete").exists() or (path.is_symlink() and path.exists()):
                found.append(f"{folder}/{name}")
    return found
