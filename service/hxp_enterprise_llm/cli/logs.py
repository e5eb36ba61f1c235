"""`citadel logs`: the journal of a service, from every host that runs it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hxp_enterprise_llm.cli.console import Output, OutputOption, print_json
from hxp_enterprise_llm.cli.target import EnvironmentArgument, Target, open_target
from hxp_enterprise_llm.core.exceptions import CitadelError

if TYPE_CHECKING:
    from hxp_enterprise_llm.orchestration.remote import Remote

_FORMS = {Output.TEXT: ("-o", "short-iso"), Output.JSON: ("-o", "json", "--quiet")}


def logs(
    environment: EnvironmentArgument,
    service: Annotated[str, typer.Argument(help="Role, such as vllm or gateway.")],
    *,
    host: Annotated[str | None, typer.Option(help="Only this host.")] = None,
    lines: Annotated[int, typer.Option(min=1, help="How many lines of each host.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as new lines come.")] = False,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> None:
    """Show the journal of a service; json gives entries as journald has them.

    Examples: citadel logs local vllm --follow · citadel logs local gateway --lines 20
    """
    target = open_target(environment)
    hosts, remote = _hosts(target, service, host), target.remote()
    if follow and len(hosts) > 1:
        raise CitadelError(
            f"{service} runs on {', '.join(hosts)}", next_step="Follow one of them: --host NAME"
        )
    words = ["journalctl", "--no-pager", *_FORMS[output], "-n", str(lines)]
    found = {}
    for name in hosts:
        words_here = [*words, *(f"--unit={unit}" for unit in _units(remote, name, service))]
        if follow:
            command = remote.command(name, "sudo", *words_here, "--follow")
            os.execvp(command[0], command)  # noqa: S606
        found[name] = remote.run(name, words_here)
        if output is Output.TEXT:
            typer.echo((f"== {name}\n" if len(hosts) > 1 else "") + found[name], nl=False)
    if output is Output.JSON:
        entries = {name: _entries(text) for name, text in found.items()}
        print_json({"service": service, "hosts": entries})


def _hosts(target: Target, service: str, host: str | None) -> tuple[str, ...]:
    environment = target.loaded.environment
    runs = tuple(environment.hosts) if service == "base" else environment.hosts_with(service)
    hosts = runs if host is None else tuple(name for name in runs if name == host)
    if not hosts:
        raise CitadelError(
            f"no host of {target.name} {f'named {host} ' if host else ''}has the role {service}",
            next_step="Roles of an environment: citadel status " + target.name,
        )
    return hosts


def _entries(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


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
