"""Action: the one state read of a host; its result is registered as `citadel_host_state`."""

from __future__ import annotations

import secrets
from typing import Any

# Loaded here, before Ansible forks, so that its workers find them in memory.
import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401
from ansible.plugins.action import ActionBase

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.bundle import session


class ActionModule(ActionBase):
    """Runs the module `citadel_state` with a fresh nonce."""

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the host's state and the name of this read (`run`)."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        name = secrets.token_hex(16)
        try:
            nonce = session.nonce(session.environment_of(variables), name)
        except CitadelError as error:
            return {**result, "failed": True, "msg": str(error)}
        state = self._execute_module("citadel_state", {"nonce": nonce}, task_vars=variables)
        return {**result, **state, "run": name}
