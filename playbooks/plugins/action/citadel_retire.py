"""Action: take off the services whose role this host no longer has."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from hxp_enterprise_llm.orchestration.bundle import session

_DISPLAY = Display()


class ActionModule(ActionBase):
    """Compares the host's manifests with `citadel_roles`."""

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Remove each service that is no longer declared and say so."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        result.update(changed=False, services=[])
        for service in self._undeclared(variables):
            wanted = {"service": service, "state": "absent"}
            done = self._execute_module("citadel_bundle", wanted, task_vars=variables)
            if done.get("failed"):
                return {**result, **done}
            result["changed"] = True
            result["services"].append({key: done[key] for key in ("service", "removed", "kept")})
            self._say(str(variables["inventory_hostname"]), done)
        return result

    def _undeclared(self, variables: dict[str, Any]) -> list[str]:
        services = (variables.get(session.STATE) or {}).get("services") or {}
        roles = {"base", *variables.get("citadel_roles", ())}
        manifests = {name: held["manifest"] for name, held in services.items()}
        return [name for name, held in manifests.items() if held and held["role"] not in roles]

    def _say(self, host: str, done: dict[str, Any]) -> None:
        verb = "would be removed" if self._task.check_mode else "removed"
        kept = f"; kept: {', '.join(done['kept'])}" if done["kept"] else ""
        _DISPLAY.display(f"{host}: {done['service']} is no longer declared: {verb}{kept}")
