"""Compare a rendered bundle with the state read of its host: is a module call needed?"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Any

from hxp_enterprise_llm.orchestration.bundle.spec import RenderedBundle, RenderedFile

CREDENTIALS = "/etc/citadel/credentials"
_HOME = "/opt/citadel"
_UP = ("active", "activating", "reloading")
_ENABLED = ("enabled", "enabled-runtime", "static", "indirect", "alias")


def differences(
    bundle: RenderedBundle,
    state: Mapping[str, Any],
    credentials: Mapping[str, str],
    nonce: str,
) -> list[str]:
    """Return what is not as the bundle wants it, as short texts; empty when nothing is to do.

    Args:
        bundle: What the host shall have.
        state: The host's `citadel_state`.
        credentials: Name → value.
        nonce: The key (hex) under which the state read sealed the credentials.
    """
    held = state["services"].get(bundle.service)
    if held is None or held["manifest"] is None:
        return [f"{bundle.service} was never applied"]
    if held["interrupted"]:
        return [f"an apply of {bundle.service} was cut off"]
    if held["manifest"]["digest"] != bundle.digest:
        return [f"{bundle.service} has another bundle"]
    return [
        *_users(bundle, state["users"]),
        *_files(bundle, held),
        *_credentials(bundle, held["actual"], credentials, nonce),
        *_units(bundle, state["units"]),
    ]


def path_of(service: str, file: RenderedFile) -> str:
    """Return where a file lies on its host."""
    return f"{_HOME}/{service}/current/{file.tree}" if file.tree else str(file.path)


def _users(bundle: RenderedBundle, users: Mapping[str, list[str]]) -> Iterator[str]:
    for user in bundle.users:
        if user.name not in users or set(user.groups) - set(users[user.name]):
            yield f"user {user.name}"


def _files(bundle: RenderedBundle, held: Mapping[str, Any]) -> Iterator[str]:
    actual = held["actual"]
    for file in bundle.files:
        path = path_of(bundle.service, file)
        if _fact(actual, path, "sha256", "mode", "owner", "group") != (
            file.sha256, file.mode, file.owner, file.group,
        ):  # fmt: skip
            yield path
    for directory in bundle.directories:
        found = actual.get(directory.path) or {}
        wanted = (directory.mode, directory.owner, directory.group)
        if found.get("kind") != "link" and (
            _fact(actual, directory.path, "mode", "owner", "group") != wanted
        ):
            yield directory.path
    for link in bundle.links:
        if _fact(actual, link.path, "target") != (link.target,):
            yield link.path
    strays = set(held["tree"]) - {file.tree for file in bundle.files}
    yield from (f"{_HOME}/{bundle.service}/current/{name}" for name in sorted(strays))


def _fact(actual: Mapping[str, Any], path: str, *names: str) -> tuple[Any, ...]:
    found = actual.get(path) or {}
    return tuple(found.get(name) for name in names)


def seal(value: str, nonce: str) -> str:
    """Return the HMAC-SHA256 that stands for a credential in a state read."""
    return hmac.new(bytes.fromhex(nonce), value.encode(), hashlib.sha256).hexdigest()


def _credentials(
    bundle: RenderedBundle, actual: Mapping[str, Any], credentials: Mapping[str, str], nonce: str
) -> Iterator[str]:
    for name, value in credentials.items():
        path = f"{CREDENTIALS}/{bundle.service}/{name}"
        found = _fact(actual, path, "hmac", "mode", "owner", "group")
        if found != (seal(value, nonce), "0400", "root", "root"):
            yield path


def _units(bundle: RenderedBundle, units: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for unit in bundle.units:
        state = units.get(unit.name, {})
        if (
            state.get("ActiveState") not in _UP
            or state.get("UnitFileState") not in _ENABLED
            or state.get("NeedDaemonReload") == "yes"
        ):
            yield unit.name
    yield from (name for name in bundle.mask if units.get(name, {}).get("ActiveState") in _UP)
