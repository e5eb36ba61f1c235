"""Action: the one state read of a host; its result is registered as `citadel_host_state`."""

from __future__ import annotations

import secrets

# Loaded here, before Ansible forks, so that its workers find them in memory.
import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401

from hxp_enterprise_llm.orchestration.bundle import session
from hxp_enterprise_llm.orchestration.bundle.action import CitadelAction, Result, Variables


class ActionModule(CitadelAction):
    """Runs the module `citadel_state` with a fresh nonce."""

    def act(self, variables: Variables) -> Result:
        """Return the host's state and the name of this read (`run`)."""
        name = secrets.token_hex(16)
        nonce = session.nonce(session.environment_of(variables), name)
        return {**self.call("citadel_state", {"nonce": nonce}, variables), "run": name}
