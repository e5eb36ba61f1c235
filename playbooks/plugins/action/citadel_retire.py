"""Action: take off the services whose role this host no longer has."""

from __future__ import annotations

from ansible.utils.display import Display

from hxp_enterprise_llm.orchestration.bundle import session
from hxp_enterprise_llm.orchestration.bundle.action import CitadelAction, Result, Variables

_DISPLAY = Display()


class ActionModule(CitadelAction):
    """Compares the host's manifests with `citadel_roles`."""

    def act(self, variables: Variables) -> Result:
        """Remove each service that is no longer declared and say so."""
        result: Result = {"changed": False, "services": []}
        for service in self._undeclared(variables):
            wanted = {"service": service, "state": "absent"}
            done = self.call("citadel_bundle", wanted, variables)
            if done.get("failed"):
                return {**result, **done}
            result["changed"] = True
            result["services"].append({key: done[key] for key in ("service", "removed", "kept")})
            self._say(str(variables["inventory_hostname"]), done)
        return result

    def _undeclared(self, variables: Variables) -> list[str]:
        services = (variables.get(session.STATE) or {}).get("services") or {}
        roles = {"base", *variables.get("citadel_roles", ())}
        manifests = {name: held["manifest"] for name, held in services.items()}
        return [name for name, held in manifests.items() if held and held["role"] not in roles]

    def _say(self, host: str, done: Result) -> None:
        verb = "would be removed" if self._task.check_mode else "removed"
        kept = f"; kept: {', '.join(done['kept'])}" if done["kept"] else ""
        _DISPLAY.display(f"{host}: {done['service']} is no longer declared: {verb}{kept}")
