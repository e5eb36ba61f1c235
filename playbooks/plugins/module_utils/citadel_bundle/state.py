"""The one read of a host that every role is compared with."""

from __future__ import annotations

from typing import Any

from . import changes, facts, journal, manifest, store, units
from .system import Host

POLICY = "/usr/sbin/policy-rc.d"
DENY = "#!/bin/sh\n# Put here by Citadel while it installs packages.\nexit 101\n"
_STATUS = "/var/lib/dpkg/status"
_UPDATES = "/var/lib/dpkg/updates"


def read(host: Host, nonce: bytes) -> dict[str, Any]:
    """Return services with manifest and actual facts, packages and artifacts of a host."""
    names = manifest.services(host)
    found = {name: _service(host, name, nonce) for name in names}
    asked = [unit for service in found.values() for unit in service.pop("asked")]
    states = units.show(host, list(dict.fromkeys(asked)))
    return {
        "services": found,
        "units": states,
        # After an install that was cut off every role asks the host, which then mends it.
        "packages": {} if cut_off(host) else packages(host),
        "users": users(host),
        "artifacts": artifacts(host) if store.trusted(host) else [],
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


def cut_off(host: Host) -> bool:
    """Say whether an install was killed: our policy file is still there, or dpkg was at work."""
    return policy_is_ours(host) or dpkg_interrupted(host)


def policy_is_ours(host: Host) -> bool:
    """Say whether the file that keeps daemons from starting is the one that installs put there."""
    policy = host.path(POLICY)
    return policy.is_file() and policy.read_text(errors="replace") == DENY


def dpkg_interrupted(host: Host) -> bool:
    """Say what apt would say: dpkg has notes that it did not take over into its status file."""
    updates = host.path(_UPDATES)
    return updates.is_dir() and any(path.name.isdigit() for path in updates.iterdir())


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
