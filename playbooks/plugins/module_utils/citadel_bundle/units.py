"""systemd, asked and told through systemctl."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from typing import Any

from .changes import Change
from .system import BundleError, Host

PLACES = ("/etc/systemd/system/", "/run/systemd/system/", "/usr/lib/systemd/system/")
_ASKED = "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,NRestarts,Result"


def show(host: Host, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the state of units by name; one systemctl call for all."""
    if not names:
        return {}
    command = ["systemctl", "show", f"--property={_ASKED}", "--", *names]
    done = host.run(command, 60)
    if done.code != 0:
        raise BundleError(f"systemctl show: {done.output.strip()}")
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in done.output.strip().split("\n\n")
    ]
    return dict(zip(names, blocks))


def runs(state: dict[str, str]) -> bool:
    """Say whether a unit is up or on its way."""
    return state.get("ActiveState") in ("active", "activating", "reloading")


def crashes(state: dict[str, str]) -> int:
    """Return how often systemd has restarted a unit by itself."""
    return int(state.get("NRestarts") or 0)


def enabled(state: dict[str, str]) -> bool:
    """Say whether a unit starts with the host; a unit without [Install] has nothing to enable."""
    return state.get("UnitFileState") in (
        "enabled",
        "enabled-runtime",
        "static",
        "indirect",
        "alias",
    )


def unit_changed(changes: Iterable[Change]) -> bool:
    """Say whether systemd has to read its unit files again."""
    return any(
        change.path.startswith(PLACES) for change in changes if change.kind in ("file", "link")
    )


def actions(
    units: list[dict[str, Any]], changes: list[Change], states: dict[str, dict[str, str]]
) -> dict[str, str]:
    """Return unit → start, restart or reload for the units that have to be touched."""
    found: dict[str, str] = {}
    for unit in units:
        wanted = {change.on_change for change in changes if _concerns(unit, change)}
        if not runs(states.get(unit["name"], {})):
            found[unit["name"]] = "start"
        elif "restart" in wanted:
            found[unit["name"]] = "restart"
        elif "reload" in wanted:
            found[unit["name"]] = "reload"
    return found


def _concerns(unit: dict[str, Any], change: Change) -> bool:
    globs = unit.get("restart_on")
    if globs is None or change.kind in ("credential", "user"):
        return True
    names = {change.path, change.item.get("tree") or change.path}
    return any(fnmatch.fnmatchcase(name, glob) for name in names for glob in globs)


def act(host: Host, name: str, action: str) -> None:
    """Start, restart, reload … a unit; a unit in failed state is given a fresh chance.

    Raises:
        BundleError: systemd refused; the text holds the unit's journal.
    """
    host.step(f"{action} {name}")
    if action in ("start", "restart"):
        host.run(["systemctl", "reset-failed", name], 30)
    verb = "reload-or-restart" if action == "reload" else action
    done = host.run(["systemctl", verb, name], 600)
    if done.code != 0:
        raise BundleError(
            f"systemctl {action} {name}: {done.output.strip()}\n{journal(host, name)}"
        )


def stop(host: Host, name: str) -> None:
    """Stop and disable a unit, whether or not systemd knows it."""
    host.run(["systemctl", "disable", "--now", name], 600)
    host.run(["systemctl", "reset-failed", name], 30)


def journal(host: Host, name: str) -> str:
    """Return the last lines that a unit wrote."""
    done = host.run(["journalctl", "--no-pager", "-o", "cat", "-n", "25", "-u", name], 30)
    return done.output.strip()
