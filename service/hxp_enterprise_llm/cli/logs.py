"""`citadel logs`: the journal of a service, from every host that runs it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from hxp_enterprise_llm.cli.target import EnvironmentArgument, open_target
from hxp_enterprise_llm.core.exceptions import CitadelError

if TYPE_CHECKING:
    from hxp_enterprise_llm.orchestration.remote import Remote


def logs(
    environment: EnvironmentArgument,
    service: Annotated[str, typer.Argument(help="Role, such as vllm or gateway.")],
    *,
    host: Annotated[str | None, typer.Option(help="Only this host.")] = None,
    lines: Annotated[int, typer.Option(min=1, help="How many lines of each host.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as new lines come.")] = False,
) -> None:
    """Show the journal of a service.

    Examples: citadel logs local vllm --follow · citadel logs local gateway --lines 20
    """
    target = open_target(environment)
    remote = target.remote()
    runs = target.loaded.environment.hosts_with(service)
    if service == "base":
        runs = tuple(target.loaded.environment.hosts)
    hosts = runs if host is None else tuple(name for name in runs if name == host)
    if not hosts:
        raise CitadelError(
            f"no host of {target.name} {f'named {host} ' if host else ''}has the role {service}",
            next_step="Roles of an environment: citadel status " + target.name,
        )
    if follow and len(hosts) > 1:
        raise CitadelError(
            f"{service} runs on {', '.join(hosts)}", next_step="Follow one of them: --host NAME"
        )
    words = ["journalctl", "--no-pager", "-o", "short-iso", "-n", str(lines)]
    for name in hosts:
        words_here = [*words, *(f"--unit={unit}" for unit in _units(remote, name, service))]
        if follow:
            command = remote.command(name, "sudo", *words_here, "--follow")
            os.execvp(command[0], command)  # noqa: S606
        if len(hosts) > 1:
            typer.echo(f"== {name}")
        typer.echo(remote.run(name, words_here), nl=False)


def _units(remote: Remote, host: str, service: str) -> list[str]:
    """Return the units that a host's manifest names for a service."""
    from hxp_enterprise_llm.orchestration.probe import probe

    answer = probe(remote, [host])[host]
    if isinstance(answer, CitadelError):
        raise answer
    found = [state.unit for state in answer if state.service == service]
    if not found:
        raise CitadelError(
            f"{host}: {service} was never applied", next_step="run: citadel up ENVIRONMENT"
        )
    return found
