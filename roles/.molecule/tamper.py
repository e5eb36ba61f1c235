"""Change a file of every service behind our back; check mode and converge must see exactly that."""

from __future__ import annotations

import json
import sys

from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.converge import ConvergeSummary, converge
from hxp_enterprise_llm.orchestration.inventory import fleet_of
from hxp_enterprise_llm.orchestration.paths import environment_state
from hxp_enterprise_llm.orchestration.remote import Remote

# Runs on the host: appends a line to the first file of each service and prints which.
_TAMPER = """
import json, pathlib
changed = []
for manifest in pathlib.Path("/opt/citadel").glob("*/manifest.json"):
    held = json.loads(manifest.read_text())
    item = held["files"][0]
    tree = manifest.parent / "current" / (item["tree"] or "")
    path = tree if item["tree"] else pathlib.Path(item["path"])
    with path.open("a") as file:
        file.write("\\n# tampered\\n")
    changed.append(str(path))
print(json.dumps(changed))
"""


def main(file: str) -> None:
    """Tamper, look, repair, look again."""
    loaded = load(file)
    fleet = fleet_of(loaded)
    remote = Remote(fleet, environment_state(loaded.name))
    tampered = {
        (host, path)
        for host in fleet.hosts
        for path in json.loads(remote.run(host, ["python3", "-"], stdin=_TAMPER))
    }
    for step, check in (("check mode", True), ("converge", False)):
        found = _files(converge(loaded, check=check, report=lambda _: None))
        if found != tampered:
            raise CitadelError(f"{step} saw {sorted(found)}, tampered were {sorted(tampered)}")
    again = converge(loaded, report=lambda _: None)
    if again.changed:
        raise CitadelError(f"a converge after the repair changed {again.changes}")


def _files(summary: ConvergeSummary) -> set[tuple[str, str]]:
    return {
        (change.host, detail.split()[1])
        for change in summary.changes
        for detail in change.details
        if detail.split()[1].startswith("/")
    }


if __name__ == "__main__":
    main(sys.argv[1])
