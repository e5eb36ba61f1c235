"""Action: render a role's bundle, compare, and call the host only when something differs."""

from __future__ import annotations

from hxp_enterprise_llm.orchestration.bundle import compare, session
from hxp_enterprise_llm.orchestration.bundle.action import CitadelAction, Result, Variables
from hxp_enterprise_llm.orchestration.bundle.spec import RenderedBundle


class ActionModule(CitadelAction):
    """`role: NAME` applies a role's bundle; `service: NAME, state: absent` takes a service off."""

    _VALID_ARGS = frozenset(("role", "service", "state"))

    def act(self, variables: Variables) -> Result:
        """Return the module's result, or `changed: false` when no call was needed."""
        given = self._task.args
        if given.get("state") == "absent":
            wanted = {"service": given["service"], "state": "absent"}
            return self.call("citadel_bundle", wanted, variables)
        bundle = session.render_for(variables, given["role"])
        values = session.credentials(bundle)
        if not self._differences(bundle, values, variables):
            return {"changed": False, "service": bundle.service}
        document = bundle.model_dump(mode="json", exclude={"credentials"})
        wanted = {"service": bundle.service, "bundle": document, "credentials": values}
        return self.call("citadel_bundle", wanted, variables)

    def _differences(
        self, bundle: RenderedBundle, values: dict[str, str], variables: Variables
    ) -> list[str]:
        state = variables.get(session.STATE)
        if not state or "services" not in state:
            return ["the state of the host was not read"]
        nonce = session.nonce(bundle.environment, state["run"]) if values else ""
        return compare.differences(bundle, session.plain(state), values, nonce)
