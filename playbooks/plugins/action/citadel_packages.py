"""Action: install a role's Debian packages; calls the host only when one is missing."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.bundle import session


class ActionModule(ActionBase):
    """Compares `citadel_<role>.packages` with the state read."""

    _VALID_ARGS = frozenset(("role",))

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what was missing."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        try:
            names = session.role_data(variables, self._task.args["role"])["packages"]
        except CitadelError as error:
            return {**result, "failed": True, "msg": str(error)}
        held = (variables.get(session.STATE) or {}).get("packages") or {}
        if all(name in held for name in names):
            return {**result, "changed": False}
        done = self._execute_module("citadel_packages", {"names": names}, task_vars=variables)
        return {**result, **done}
