"""Environment → components → FleetOutputs."""

from __future__ import annotations

import os

import pulumi

from components.fleet import Fleet
from components.site import Site
from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.core.exceptions import RefusedError
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.provider import LocalProvider

FILE_VARIABLE = "CITADEL_ENVIRONMENT_FILE"


def main() -> None:
    """Declare the hosts of the stack's environment and export output `fleet`."""
    name = pulumi.get_stack()
    environment = _environment(name)
    fleet = Fleet(name, environment, lambda parent: _site(name, environment, parent))
    pulumi.export("fleet", fleet.outputs)


def _environment(name: str) -> Environment:
    loaded = load(os.environ.get(FILE_VARIABLE) or name)
    if loaded.name != name:
        raise RefusedError(
            f"{FILE_VARIABLE} names environment {loaded.name}, the stack is {name}",
            next_step=f"unset {FILE_VARIABLE}, or choose --stack {loaded.name}.",
        )
    return loaded.environment


def _site(name: str, environment: Environment, parent: pulumi.Resource) -> Site:
    provider = environment.provider
    if isinstance(provider, LocalProvider):
        from providers.local.site import LocalSite

        return LocalSite(name, environment, provider, parent)
    from providers.ssh.site import SshSite

    return SshSite(name, provider)
