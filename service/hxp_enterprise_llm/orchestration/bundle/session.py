"""What the action plugins share: a role's data, its credentials, the nonce of a state read."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from hxp_enterprise_llm.configuration.secrets import Secrets
from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.bundle.render import render
from hxp_enterprise_llm.orchestration.bundle.spec import RenderedBundle
from hxp_enterprise_llm.orchestration.paths import environment_state

STATE = "citadel_host_state"
_NONCE = "generated:citadel/state-nonce"


def plain(value: Any) -> Any:
    """Return a value of Ansible's as plain dicts, lists and texts."""
    return json.loads(json.dumps(value))


def role_data(variables: Mapping[str, Any], role: str) -> dict[str, Any]:
    """Return `citadel_<role>` of a host.

    Raises:
        CitadelError: The inventory does not hold it.
    """
    name = f"citadel_{role}"
    if name not in variables:
        raise CitadelError(
            f"host {variables.get('inventory_hostname')} has no {name}",
            next_step="Use an environment file as the inventory: -i stacks/environments/NAME.yaml",
        )
    data: dict[str, Any] = plain(variables[name])
    return data


def environment_of(variables: Mapping[str, Any]) -> str:
    """Return the environment's name.

    Raises:
        CitadelError: The inventory is not an environment file.
    """
    if "citadel_environment" not in variables:
        raise CitadelError(
            "the inventory is not a Citadel environment",
            next_step="Use -i stacks/environments/NAME.yaml",
        )
    return str(variables["citadel_environment"])


def render_for(variables: Mapping[str, Any], role: str) -> RenderedBundle:
    """Render a role's bundle for the host whose variables these are."""
    return render(
        role,
        role_data(variables, role),
        str(variables["inventory_hostname"]),
        environment_of(variables),
    )


def credentials(bundle: RenderedBundle) -> dict[str, str]:
    """Resolve a bundle's references: name → value. Call it last; keep the result out of logs."""
    if not bundle.credentials:
        return {}
    secrets = Secrets(environment_state(bundle.environment))
    return {
        name: secrets.resolve(reference).reveal() for name, reference in bundle.credentials.items()
    }


def nonce(environment: str, run: str) -> str:
    """Return the key (hex) of one state read: nobody who sees its result can guess values by it."""
    key = Secrets(environment_state(environment)).resolve(_NONCE).reveal()
    return hmac.new(key.encode(), run.encode(), hashlib.sha256).hexdigest()
