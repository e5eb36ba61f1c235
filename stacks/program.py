"""Environment → components → FleetOutputs."""

from __future__ import annotations

import os
from pathlib import Path

import pulumi
import yaml

from components.fleet import Fleet
from components.site import Site
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.schemas.environment import Environment

FILE_VARIABLE = "CITADEL_ENVIRONMENT_FILE"


def main() -> None:
    """Declare the hosts of the stack's environment and export output `fleet`."""
    name = pulumi.get_stack()
    environment = _environment(name)
    fleet = Fleet(name, environment, lambda parent: _site(name, environment, parent))
    pulumi.export("fleet", fleet.outputs)


def _environment(name: str) -> Environment:
    path = Path(
        os.environ.get(FILE_VARIABLE) or checkout() / "stacks" / "environments" / f"{name}.yaml"
    )
    return Environment.model_validate(yaml.safe_load(path.read_text()))


def _site(name: str, environment: Environment, parent: pulumi.Resource) -> Site:
    from providers.local.site import LocalSite

    return LocalSite(name, environment, environment.provider, parent)
