"""What an apply is going to do, computed before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from . import changes as changing
from . import manifest, units
from .changes import Bundle, Change
from .system import Host


@dataclass
class Plan:
    """All that an apply is going to do."""

    bundle: Bundle
    before: manifest.Manifest | None
    changes: list[Change]
    states: dict[str, dict[str, str]]
    actions: dict[str, str]
    enable: list[str]
    leaving: list[str]
    stopping: list[str]
    reload: bool
    notes: list[str] = field(default_factory=list)

    @property
    def service(self) -> str:
        """Return the service's name."""
        return str(self.bundle["service"])

    def anything(self) -> bool:
        """Say whether the host is not as the bundle wants it."""
        return bool(
            self.changes
            or self.actions
            or self.enable
            or self.leaving
            or self.stopping
            or self.reload
        )

    def of(self, *kinds: str) -> list[Change]:
        """Return the changes of some kinds."""
        return [change for change in self.changes if change.kind in kinds]

    def result(self) -> dict[str, Any]:
        """Return what the module reports."""
        return {
            "service": self.service,
            "changed": self.anything() or bool(self.notes),
            "changes": [change.brief() for change in self.changes],
            "units": {
                **dict.fromkeys(self.leaving + self.stopping, "stop"),
                **dict.fromkeys(self.enable, "enable"),
                **self.actions,
            },
            "notes": self.notes,
        }


def plan(host: Host, bundle: Bundle, credentials: Mapping[str, str]) -> Plan:
    """Compare a host with a bundle. Changes nothing."""
    before = manifest.read(host, bundle["service"])
    found = changing.find(host, bundle, credentials, before)
    names = [unit["name"] for unit in bundle["units"]]
    held = (before or {}).get("units", [])
    old = [unit["name"] for unit in held if not unit.get("keep")]
    leaving = [name for name in old if name not in names]
    states = units.show(host, list(dict.fromkeys([*names, *leaving, *bundle["mask"]])))
    return Plan(
        bundle=bundle,
        before=before,
        changes=found,
        states=states,
        actions=units.actions(bundle["units"], found, states),
        enable=[name for name in names if not units.enabled(states.get(name, {}))],
        leaving=leaving,
        stopping=[name for name in bundle["mask"] if units.runs(states.get(name, {}))],
        reload=any(state.get("NeedDaemonReload") == "yes" for state in states.values()),
    )


def diffs(host: Host, planned: Plan) -> list[dict[str, str]]:
    """Return before and after of every changed file."""
    found = (changing.diff(host, change) for change in planned.changes)
    return [entry for entry in found if entry is not None]


def missing_folders(host: Host, planned: Plan) -> list[str]:
    """Return the folders that staging will make, outermost first."""
    wanted = [change.path for change in planned.of("directory") if change.action == "create"]
    wanted += [
        str(PurePosixPath(change.path).parent)
        for change in planned.of("file", "link", "credential")
        if change.action != "remove"
    ]
    return sorted(
        {
            str(folder)
            for path in wanted
            for folder in (PurePosixPath(path), *PurePosixPath(path).parents)
            if not host.path(str(folder)).exists()
        }
    )


def leaving_folders(planned: Plan) -> list[str]:
    """Return the folders that we had made and that no file of the bundle needs any more."""
    made = (planned.before or {}).get("made_folders", [])
    kept = [item.get("path") or "" for item in planned.bundle["files"] + planned.bundle["links"]]
    kept += [item["path"] for item in planned.bundle["directories"]]
    return [
        folder
        for folder in made
        if not any(path == folder or path.startswith(folder + "/") for path in kept)
    ]


_KEPT = ("path", "tree", "sha256", "mode", "owner", "group", "on_change", "source")


def manifest_of(
    planned: Plan, credentials: Mapping[str, str], generation: str | None, made: list[str]
) -> manifest.Manifest:
    """Return the manifest that says what was applied.

    Args:
        planned: The plan.
        credentials: Name → value; only the names are kept.
        generation: What `current` points at.
        made: Folders made by this apply.
    """
    bundle = planned.bundle
    data = {item["path"] for item in bundle["directories"]}
    leaving = set(leaving_folders(planned))
    folders = dict.fromkeys([*(planned.before or {}).get("made_folders", []), *made])
    return {
        "version": manifest.VERSION,
        "service": bundle["service"],
        "role": bundle["role"],
        "environment": bundle["environment"],
        "digest": bundle["digest"],
        "generation": generation,
        "files": [{key: item.get(key) for key in _KEPT} for item in bundle["files"]],
        "links": bundle["links"],
        "directories": bundle["directories"],
        "credentials": sorted(credentials),
        "users": bundle["users"],
        "units": bundle["units"],
        "mask": bundle["mask"],
        "made_folders": [path for path in folders if path not in leaving and path not in data],
    }
