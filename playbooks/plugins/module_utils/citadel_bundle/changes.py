"""What a bundle would change on a host: computed once, used by check mode, diff and apply."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import facts, manifest
from .system import BundleError, Host

Bundle = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One thing that is not as the bundle wants it.

    Args:
        kind: file, tree, link, credential, directory or user.
        action: create, update, attributes or remove.
        path: Path on the host; the name of a user.
        on_change: restart, reload or none.
        item: The item of the bundle; of the manifest for a removal.
    """

    kind: str
    action: str
    path: str
    on_change: str
    item: dict[str, Any]

    def brief(self) -> dict[str, str]:
        """Return the change as a task's result shows it."""
        return {"kind": self.kind, "action": self.action, "path": self.path}


def find(
    host: Host,
    bundle: Bundle,
    credentials: Mapping[str, str],
    before: manifest.Manifest | None,
) -> list[Change]:
    """Return all changes that make the host as the bundle wants it.

    Raises:
        BundleError: A path belongs to another service.
    """
    _refuse_foreign(host, bundle)
    return [
        *_users(host, bundle),
        *_directories(host, bundle),
        *_files(host, bundle),
        *_strays(host, bundle),
        *_links(host, bundle),
        *_credentials(host, bundle, credentials),
        *_leaving(host, bundle, credentials, before or {}),
    ]


def _refuse_foreign(host: Host, bundle: Bundle) -> None:
    others = manifest.owners(host, bundle["service"])
    for item in bundle["files"] + bundle["links"]:
        other = others.get(item.get("path") or "")
        if other and not (item.get("target") == "/dev/null"):
            raise BundleError(f"{item['path']} belongs to service {other}; one file, one service")


def _users(host: Host, bundle: Bundle) -> Iterator[Change]:
    known = {line.split(":")[0] for line in _lines(host, "/etc/passwd")}
    groups = {
        name: set(filter(None, members.split(",")))
        for name, _, _, members in (
            line.split(":")[:4] for line in _lines(host, "/etc/group") if line.count(":") == 3
        )
    }
    for user in bundle["users"]:
        if user["name"] not in known:
            yield Change("user", "create", user["name"], "restart", user)
        elif any(user["name"] not in groups.get(group, set()) for group in user["groups"]):
            yield Change("user", "update", user["name"], "restart", user)


def _lines(host: Host, path: str) -> list[str]:
    try:
        return host.path(path).read_text().splitlines()
    except FileNotFoundError:
        return []


def _directories(host: Host, bundle: Bundle) -> Iterator[Change]:
    for item in bundle["directories"]:
        found = facts.look(host.path(item["path"]))
        if found is None:
            yield Change("directory", "create", item["path"], "none", item)
        elif found["kind"] == "link":
            continue  # an operator moved it to another disk; what it points at is theirs
        elif found["kind"] != "directory":
            raise BundleError(f"{item['path']} is a {found['kind']}, a directory is wanted")
        elif facts.attributes_differ(item, found):
            yield Change("directory", "attributes", item["path"], "none", item)


def _files(host: Host, bundle: Bundle) -> Iterator[Change]:
    for item in bundle["files"]:
        path = manifest.path_of(bundle["service"], item)
        kind = "tree" if item.get("tree") else "file"
        found = facts.look(host.path(path))
        if found is not None and found["kind"] in ("directory", "other"):
            raise BundleError(f"{path} is a {found['kind']}, a file is wanted")
        action = _file_action(item, found)
        if action:
            yield Change(kind, action, path, item["on_change"], item)


def _file_action(item: dict[str, Any], found: facts.Facts | None) -> str | None:
    if found is None:
        return "create"
    if found["kind"] == "link" or found["sha256"] != item["sha256"]:
        return "update"
    return "attributes" if facts.attributes_differ(item, found) else None


def tree_files(host: Host, service: str) -> list[str]:
    """Return the paths, relative to it, of all files in a service's current generation."""
    current = host.path(f"{manifest.HOME}/{service}/current")
    return sorted(
        str((Path(folder) / name).relative_to(current))
        for folder, _, names in os.walk(current)
        for name in names
    )


def _strays(host: Host, bundle: Bundle) -> Iterator[Change]:
    wanted = {item["tree"] for item in bundle["files"] if item.get("tree")}
    for name in tree_files(host, bundle["service"]):
        if name not in wanted:
            path = f"{manifest.HOME}/{bundle['service']}/current/{name}"
            yield Change("tree", "remove", path, "reload", {"tree": name})


def _links(host: Host, bundle: Bundle) -> Iterator[Change]:
    for item in bundle["links"]:
        found = facts.look(host.path(item["path"]))
        if found is None:
            yield Change("link", "create", item["path"], "none", item)
        elif found["kind"] == "directory":
            raise BundleError(f"{item['path']} is a directory, a link is wanted")
        elif found.get("target") != item["target"]:
            yield Change("link", "update", item["path"], "none", item)


def _credentials(host: Host, bundle: Bundle, credentials: Mapping[str, str]) -> Iterator[Change]:
    for name, value in credentials.items():
        path = manifest.credential_path(bundle["service"], name)
        found = facts.look(host.path(path))
        item = {"path": path, "mode": "0400", "owner": host.owner[0], "group": host.owner[1]}
        if found is None:
            yield Change("credential", "create", path, "restart", item)
        elif found["kind"] != "file" or host.path(path).read_bytes() != value.encode():
            yield Change("credential", "update", path, "restart", item)
        elif facts.attributes_differ(item, found):
            yield Change("credential", "attributes", path, "restart", item)


def _leaving(
    host: Host, bundle: Bundle, credentials: Mapping[str, str], before: Mapping[str, Any]
) -> Iterator[Change]:
    service = bundle["service"]
    wanted = {item["path"] for item in bundle["files"] + bundle["links"] if item.get("path")}
    for item in before.get("files", []) + before.get("links", []):
        path = item.get("path")
        if path and path not in wanted and facts.look(host.path(path)) is not None:
            kind = "link" if "target" in item else "file"
            yield Change(kind, "remove", path, item.get("on_change", "none"), item)
    for name in before.get("credentials", []):
        path = manifest.credential_path(service, name)
        if name not in credentials and facts.look(host.path(path)) is not None:
            yield Change("credential", "remove", path, "restart", {"path": path})


def diff(host: Host, change: Change) -> dict[str, str] | None:
    """Return before and after of a change in the form that Ansible prints; None without content.

    A credential never has one.
    """
    if change.kind not in ("file", "tree", "link", "directory"):
        return None
    path = host.path(change.path)
    found = facts.look(path)
    header = {"before_header": change.path, "after_header": change.path}
    before, after = _text(path, found), _wanted(change)
    if change.action == "attributes" and found is not None:
        before, after = _attributes(found), _attributes(change.item)
    return dict(header, before=before, after=after)


def _text(path: Path, found: facts.Facts | None) -> str:
    if found is None or found["kind"] == "directory":
        return ""
    if found["kind"] == "link":
        return f"-> {found['target']}\n"
    return path.read_bytes().decode(errors="replace")


def _wanted(change: Change) -> str:
    if change.action == "remove":
        return ""
    if change.kind == "directory":
        return _attributes(change.item)
    if change.kind == "link":
        return f"-> {change.item['target']}\n"
    return str(change.item["content"])


def _attributes(item: Mapping[str, Any]) -> str:
    return f"mode {item['mode']} owner {item['owner']} group {item['group']}\n"
