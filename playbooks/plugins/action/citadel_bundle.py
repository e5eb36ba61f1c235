"""Action: render a role's bundle, compare, and call the host only when something differs."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.bundle import compare, session
from hxp_enterprise_llm.orchestration.bundle.spec import RenderedBundle


class ActionModule(ActionBase):
    """`role: NAME` applies a role's bundle; `service: NAME, state: absent` takes a service off."""

    _VALID_ARGS = frozenset(("role", "service", "state", "purge"))

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result, or `changed: false` when no call was needed."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        try:
            return {**result, **self._run(variables)}
        except CitadelError as error:
            return {**result, "failed": True, "msg": error.message, "next_step": error.next_step}

    def _run(self, variables: dict[str, Any]) -> dict[str, Any]:
        given = self._task.args
        if given.get("state") == "absent":
            wanted = {
                "service": given["service"],
                "state": "absent",
                "purge": given.get("purge", False),
            }
            return self._call(wanted, variables)
        bundle = session.render_for(variables, given["role"])
        values = session.credentials(bundle)
        if not self._differences(bundle, values, variables):
            return {"changed": False, "service": bundle.service}
        document = bundle.model_dump(mode="json", exclude={"credentials"})
        wanted = {"service": bundle.service, "bundle": document, "credentials": values}
        return self._call(wanted, variables)

    def _differences(
        self, bundle: RenderedBundle, values: dict[str, str], variables: dict[str, Any]
    ) -> list[str]:
        state = variables.get(session.STATE)
        if not state or "services" not in state:
            return ["the state of the host was not read"]
        nonce = session.nonce(bundle.environment, state["run"]) if values else ""
        return compare.differences(bundle, session.plain(state), values, nonce)

    def _call(self, wanted: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        done: dict[str, Any] = self._execute_module("citadel_bundle", wanted, task_vars=variables)
        return done
