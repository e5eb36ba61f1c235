"""Environment and FleetOutputs → data of each role on each host; one module a role."""

from __future__ import annotations

from importlib import import_module

from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.schemas.roles.role import RoleData


def resolve(context: Context, host: str) -> dict[str, RoleData]:
    """Return the data of every role of a host, `base` first, in the host's order."""
    roles = ("base", *context.environment.hosts[host].roles)
    return {role: import_module(f"{__name__}.{role}").resolve(context, host) for role in roles}
