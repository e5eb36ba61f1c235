"""What each host says of its own units: one SSH call a host, read by verify and status."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.orchestration.remote import Remote

SCRIPT = Path("playbooks/plugins/module_utils/citadel_probe.py")


@dataclass(frozen=True)
class UnitState:
    """One unit of a service of ours."""

    host: str
    service: str
    unit: str
    active: str
    memory_bytes: int
    restarts: int
    health: str

    @property
    def ok(self) -> bool:
        """Return whether it runs and its health check, if it has one, passes."""
        return self.active == "active" and self.health in ("", "ok")


def probe(remote: Remote, hosts: list[str]) -> dict[str, list[UnitState] | CitadelError]:
    """Ask hosts side by side; a host that does not answer has its error in the result."""
    script = (checkout() / SCRIPT).read_text()
    with ThreadPoolExecutor(max_workers=max(len(hosts), 1)) as pool:
        answers = pool.map(lambda host: _ask(remote, host, script), hosts)
        return dict(zip(hosts, answers, strict=True))


def _ask(remote: Remote, host: str, script: str) -> list[UnitState] | CitadelError:
    try:
        rows: list[dict[str, Any]] = json.loads(remote.run(host, ["python3", "-"], stdin=script))
    except CitadelError as error:
        return error
    except ValueError as error:
        return CitadelError(f"host {host} did not list its units: {error}")
    return [UnitState(host=host, **row) for row in rows]
