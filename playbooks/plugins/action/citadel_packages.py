"""Action: install a role's Debian packages; calls the host only when one is missing."""

from __future__ import annotations

from hxp_enterprise_llm.orchestration.bundle import session
from hxp_enterprise_llm.orchestration.bundle.action import CitadelAction, Result, Variables


class ActionModule(CitadelAction):
    """Compares `citadel_<role>.packages` with the state read."""

    _VALID_ARGS = frozenset(("role",))

    def act(self, variables: Variables) -> Result:
        """Return what was missing."""
        names = session.role_data(variables, self._task.args["role"])["packages"]
        held = (variables.get(session.STATE) or {}).get("packages") or {}
        if all(name in held for name in names):
            return {"changed": False}
        return self.call("citadel_packages", {"names": names}, variables)
