"""Environment and FleetOutputs → what Ansible knows of each host."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from hxp_enterprise_llm.configuration.loader import LoadedEnvironment, load
from hxp_enterprise_llm.configuration.secrets import refuse_unresolved
from hxp_enterprise_llm.core.exceptions import CitadelError, UnreachableError
from hxp_enterprise_llm.orchestration.paths import environment_state
from hxp_enterprise_llm.orchestration.remote import known_hosts
from hxp_enterprise_llm.orchestration.resolvers import resolve
from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.schemas.hosts import RoleName
from hxp_enterprise_llm.schemas.outputs import FleetOutputs, HostOutput
from hxp_enterprise_llm.utilities.files import write_atomic

ROLES: tuple[str, ...] = get_args(RoleName)
_GROUP = "role_"


@dataclass(frozen=True)
class InventoryHost:
    """One host: its name, its groups and its variables."""

    name: str
    groups: tuple[str, ...]
    variables: dict[str, Any]


def read_inventory(path: str) -> tuple[InventoryHost, ...]:
    """Return the hosts of an environment file, with plain resolved data.

    Raises:
        RefusedError: The file has errors, or references to secrets without a value.
        UnreachableError: Its stack does not exist, or lacks a host; names the command to run.
    """
    loaded = load(path)
    refuse_unresolved(loaded, environment_state(loaded.name))
    return hosts_of(loaded, fleet_of(loaded))


def fleet_of(loaded: LoadedEnvironment) -> FleetOutputs:
    """Return the outputs of an environment's stack.

    Raises:
        UnreachableError: The stack was never brought up.
    """
    from hxp_enterprise_llm.orchestration.stack import Stack
    from hxp_enterprise_llm.orchestration.toolchain import ensure

    outputs = Stack(loaded, ensure(lambda _: None)).outputs()
    if outputs is None:
        raise UnreachableError(
            f"stack {loaded.name} does not exist yet",
            next_step=f"run: citadel up {loaded.name}",
        )
    return outputs


def hosts_of(loaded: LoadedEnvironment, fleet: FleetOutputs) -> tuple[InventoryHost, ...]:
    """Return groups and variables of each host of the environment.

    Raises:
        CitadelError: The stack lacks a host that the file declares.
    """
    missing = sorted(set(loaded.environment.hosts) - set(fleet.hosts))
    if missing:
        raise CitadelError(
            f"stack {loaded.name} has no host {', '.join(missing)}",
            next_step=f"run: citadel up {loaded.name}",
        )
    state = environment_state(loaded.name)
    known = state / "known_hosts"
    write_atomic(known, known_hosts(fleet), mode=0o600)
    context = Context(name=loaded.name, environment=loaded.environment, fleet=fleet)
    return tuple(_host(context, name, state, known) for name in loaded.environment.hosts)


def _host(context: Context, name: str, state: Path, known: Path) -> InventoryHost:
    made = context.host(name)
    data = resolve(context, name)
    roles = tuple(role for role in data if role != "base")
    variables: dict[str, Any] = {
        **_connection(made, state, known),
        "citadel_environment": context.name,
        "citadel_roles": list(roles),
        "citadel_store": made.store,
        **{f"citadel_{role}": value.model_dump(mode="json") for role, value in data.items()},
    }
    return InventoryHost(name, tuple(_GROUP + role for role in roles), variables)


def _connection(made: HostOutput, state: Path, known: Path) -> dict[str, Any]:
    ssh = made.ssh
    options = [
        f"UserKnownHostsFile={known}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        "LogLevel=ERROR",
    ]
    if ssh.bastion:
        options.append(f"ProxyJump={ssh.bastion}")
    return {
        "ansible_host": ssh.host,
        "ansible_port": ssh.port,
        "ansible_user": ssh.user,
        "ansible_ssh_private_key_file": str(state / Path(ssh.identity_file).expanduser()),
        "ansible_ssh_common_args": " ".join(f"-o {shlex.quote(option)}" for option in options),
    }
