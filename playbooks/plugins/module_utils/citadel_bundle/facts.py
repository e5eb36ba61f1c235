"""What lies at a path now, in the terms of a manifest."""

from __future__ import annotations

import grp
import hashlib
import hmac
import pwd
import stat
from pathlib import Path
from typing import Any

from .system import BundleError, sha256

Facts = dict[str, Any]


def look(path: Path) -> Facts | None:
    """Return kind, mode, owner, group and digest of a path; None when nothing is there."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(found.st_mode):
        return {"kind": "link", "target": str(path.readlink())}
    facts: Facts = {
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "owner": user_name(found.st_uid),
        "group": group_name(found.st_gid),
    }
    if stat.S_ISDIR(found.st_mode):
        return dict(facts, kind="directory")
    if not stat.S_ISREG(found.st_mode):
        return dict(facts, kind="other")
    return dict(facts, kind="file", sha256=sha256(path.read_bytes()))


def look_sealed(path: Path, nonce: bytes) -> Facts | None:
    """Return the facts of a credential; an HMAC-SHA256 under the run's nonce stands for it."""
    facts = look(path)
    if facts is not None and facts.pop("sha256", None) is not None:
        facts["hmac"] = hmac.new(nonce, path.read_bytes(), hashlib.sha256).hexdigest()
    return facts


def user_name(uid: int) -> str:
    """Return the name of a user, its number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """Return the name of a group, its number when it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def owner_of(item: dict[str, Any]) -> tuple[int, int]:
    """Return uid and gid for an item's owner and group.

    Raises:
        BundleError: The host has no such user or group.
    """
    owner, group = item.get("owner", "root"), item.get("group", "root")
    try:
        return pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid
    except KeyError:
        raise BundleError(
            f"{item.get('path') or item.get('tree')}: the host has no user {owner} or group "
            f"{group}; declare it under `users` or install the package that brings it"
        ) from None


def mode_of(item: dict[str, Any]) -> int:
    """Return the permission bits of an item."""
    return int(str(item["mode"]), 8)


def attributes_differ(item: dict[str, Any], facts: Facts) -> bool:
    """Say whether mode, owner or group are not as an item wants them."""
    return (
        mode_of(item) != int(facts["mode"], 8)
        or item["owner"] != facts["owner"]
        or item["group"] != facts["group"]
    )
