"""`citadel logs`: the journal of a service, from every host that runs it."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from hxp_enterprise_llm.cli.target import EnvironmentArgument, open_target
from hxp_enterprise_llm.core.exceptions import CitadelError


def logs(
    environment: EnvironmentArgument,
    service: Annotated[str, typer.Argument(help="Role, such as vllm or gateway.")],
    *,
    host: Annotated[str | None, typer.Option(help="Only this host.")] = None,
    lines: Annotated[int, typer.Option(help="How many lines of each host.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as new lines come.")] = False,
) -> None:
    """Show the journal of a service.

    Examples: citadel logs local vllm --follow · citadel logs local gateway --lines 20
    """
    target = open_target(environment)
    remote = target.remote()
    hosts = (host,) if host else target.loaded.environment.hosts_with(service)
    if not hosts:
        raise CitadelError(
            f"no host of {target.name} has the role {service}",
            next_step="Roles of an environment: citadel status " + target.name,
        )
    unit = f"citadel-{service}*"
    words = ["journalctl", "--no-pager", "-o", "short-iso", "-n", str(lines), "-u", unit]
    if follow:
        command = remote.command(hosts[0], "sudo", *words, "--follow")
        os.execvp(command[0], command)  # noqa: S606
    for name in hosts:
        if len(hosts) > 1:
            typer.echo(f"== {name}")
        typer.echo(remote.run(name, words), nl=False)
