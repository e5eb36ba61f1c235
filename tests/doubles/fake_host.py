"""A host in a folder: systemd is a file that says what runs, and with which files."""

from __future__ import annotations

import getpass
import grp
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from citadel_bundle import apply as applying
from citadel_bundle.system import Done, Host

SERVICE = "demo"
UNIT = "citadel-demo.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
LOOSE = "/etc/demo/loose.conf"
CREDENTIAL = "/etc/citadel/credentials/demo/password"


def me() -> dict[str, str]:
    return {"owner": getpass.getuser(), "group": grp.getgrgid(os.getegid()).gr_name}


def file(place: str, content: str, **more: str) -> dict[str, Any]:
    key = "path" if place.startswith("/") else "tree"
    other = "tree" if key == "path" else "path"
    item = {
        key: place,
        other: None,
        "content": content,
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
        "mode": "0644",
        "on_change": "restart",
        "source": "test",
    }
    return {**item, **me(), **more}


def bundle(*files: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = {
        "service": SERVICE,
        "role": "demo",
        "environment": "test",
        "digest": hashlib.sha256(json.dumps([files, more], sort_keys=True).encode()).hexdigest(),
        "users": [],
        "directories": [],
        "files": list(files),
        "links": [],
        "mask": [],
        "validators": [],
        "units": [{"name": UNIT, "restart_on": None, "health": None}],
    }
    return {**content, **more}


def version(number: int, **more: Any) -> dict[str, Any]:
    return bundle(
        file("demo.conf", f"value = {number}\n"),
        file(f"only-in-{number}.conf", "x\n"),
        file(LOOSE, f"loose = {number}\n"),
        file(f"/etc/demo/only-in-{number}", "y\n"),
        file(UNIT_FILE, f"# {number}\n"),
        links=[{"path": "/etc/demo/link", "target": f"/target/{number}"}],
        **more,
    )


class FakeSystemd:
    """Answers systemctl; what runs is kept in a file, so that it outlives a killed process."""

    def __init__(self, root: Path) -> None:
        self.root, self.file = root, root / "systemd.json"
        self.calls: list[str] = []
        self.sick: Callable[[dict[str, str]], bool] = lambda files: False
        self.refuse: Callable[[Sequence[str]], str] = lambda command: ""

    def __call__(self, command: Sequence[str], timeout: float) -> Done:
        self.calls.append(" ".join(command))
        refused = self.refuse(command)
        if refused:
            return Done(1, refused)
        if command[0] != "systemctl":
            return Done(0, "a line of the journal" if command[0] == "journalctl" else "")
        if command[1] == "show":
            names = command[command.index("--") + 1 :]
            return Done(0, "\n\n".join(self._show(name) for name in names) + "\n")
        units = self.units()
        self._act(units, list(command[1:]))
        self.file.write_text(json.dumps(units))
        return Done(0, "")

    def units(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        if self.file.exists():
            found = json.loads(self.file.read_text())
        return found

    def _act(self, units: dict[str, dict[str, Any]], words: list[str]) -> None:
        unit = units.setdefault(words[-1], {"enabled": False, "files": None})
        if words[0] == "enable":
            unit["enabled"] = True
        elif words[0] == "disable":
            unit["enabled"] = False
        if words[0] in ("start", "restart", "reload-or-restart"):
            unit["files"] = live(self.root)
        elif words[0] == "stop" or "--now" in words:
            unit["files"] = None

    def _show(self, name: str) -> str:
        unit = self.units().get(name, {"enabled": False, "files": None})
        active = unit["files"] is not None
        sick = active and self.sick(unit["files"])
        return "\n".join(
            [
                f"Id={name}",
                f"ActiveState={'failed' if sick else 'active' if active else 'inactive'}",
                "SubState=running",
                f"UnitFileState={'enabled' if unit['enabled'] else 'disabled'}",
                "NeedDaemonReload=no",
                "NRestarts=0",
            ]
        )


def live(root: Path) -> dict[str, str]:
    """Everything below /etc, and the current tree: what a service can see."""
    found = {}
    for top in (root / "etc", root / "opt/citadel/demo/current"):
        for folder, _, names in os.walk(top):
            for name in names:
                path = Path(folder) / name
                at = str(path.relative_to(root))
                found[at] = f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
    return found


class FakeClock:
    """Time passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def make_host(
    root: Path, systemd: FakeSystemd, step: Callable[[str], None] = lambda name: None
) -> Host:
    clock = FakeClock()
    owner = (me()["owner"], me()["group"])
    return Host(root, systemd, step, owner, clock, clock.sleep)


@pytest.fixture
def systemd(tmp_path: Path) -> FakeSystemd:
    return FakeSystemd(tmp_path)


@pytest.fixture
def host(tmp_path: Path, systemd: FakeSystemd) -> Host:
    (tmp_path / "etc").mkdir()
    return make_host(tmp_path, systemd)


@pytest.fixture
def apply(host: Host) -> Callable[..., dict[str, Any]]:
    def _apply(wanted: dict[str, Any], password: str = "", **more: Any) -> dict[str, Any]:
        credentials = {"password": password} if password else {}
        done: dict[str, Any] = applying.apply(host, wanted, credentials, **more)
        return done

    return _apply


_OPEN = ("journal.json", "staged.json", "done.json", "manifest.next", "units-touched", "staging")


def leftovers(root: Path) -> list[str]:
    """Files of an apply that should have cleaned up behind itself."""
    return [
        str(path)
        for path in root.rglob("*")
        if "citadel-new" in path.name or "citadel-old" in path.name or path.name in _OPEN
    ]
