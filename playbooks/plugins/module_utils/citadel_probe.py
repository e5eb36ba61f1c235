"""Sent to a host over SSH: says of every unit of ours whether it runs and is healthy, as JSON.

Standard library only; reads the manifests that bundles leave.
"""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

HOME = Path("/opt/citadel")
# One hierarchy (v2), or systemd's own beside the controllers (v1).
CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/systemd"))
ASKED = "ActiveState,ControlGroup,NRestarts"


def main() -> None:
    """Print one row a unit."""
    rows: list[dict[str, Any]] = []
    for path in sorted(HOME.glob("*/manifest.json")):
        manifest = json.loads(path.read_text())
        rows += [row(path.parent.name, unit) for unit in manifest["units"]]
    print(json.dumps(rows))  # noqa: T201


def row(service: str, unit: dict[str, Any]) -> dict[str, Any]:
    """Return what systemd and the unit's own health check say."""
    command = ["systemctl", "show", "--property=" + ASKED, "--", unit["name"]]
    shown = subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout.decode()
    state = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    active = state.get("ActiveState", "unknown")
    return {
        "service": service,
        "unit": unit["name"],
        "active": active,
        "memory_bytes": memory(state.get("ControlGroup", "")),
        "restarts": int(state.get("NRestarts") or 0),
        "health": health(unit.get("health") or {}) if active == "active" else "",
    }


def memory(group: str) -> int:
    """Return the memory of a unit in bytes: Pss of its processes, shared pages shared out."""
    total = 0
    for root in CGROUPS if group else ():
        for listed in sorted((root / group.lstrip("/")).glob("**/cgroup.procs")):
            for pid in listed.read_text().split():
                total += resident(Path("/proc") / pid / "smaps_rollup")
        if total:
            return total
    return total


def resident(rollup: Path) -> int:
    """Return Pss of one process; 0 when it has ended."""
    try:
        lines = rollup.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


def health(check: dict[str, Any]) -> str:
    """Return `ok`, the reason why not, or nothing when the unit has no check."""
    try:
        if check.get("url"):
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            opener.open(check["url"], timeout=10).close()
        elif check.get("tcp"):
            address = (check.get("host") or "127.0.0.1", int(check["tcp"]))
            socket.create_connection(address, timeout=10).close()
        elif check.get("command"):
            subprocess.run(
                check["command"],
                check=True, timeout=30, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        else:
            return ""
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return "ok"


if __name__ == "__main__":
    main()
