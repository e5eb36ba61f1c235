"""`citadel plan`: what up would do, without doing it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hxp_enterprise_llm.cli.console import Output, OutputOption, print_json, print_table
from hxp_enterprise_llm.cli.target import EnvironmentArgument, Target, open_target
from hxp_enterprise_llm.core.exceptions import ExitCode

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.diff import Change as Setting
    from hxp_enterprise_llm.orchestration.converge import Change


def plan(
    environment: EnvironmentArgument, output: Annotated[Output, OutputOption] = Output.TEXT
) -> int:
    """Say what `up` would change on hosts and in services; exit 2 when there is something.

    Settings that differ from the newest revision are shown with the effect of their change.

    Examples: citadel plan local · citadel plan local --output json
    """
    target = open_target(environment)
    target.refuse_unresolved()
    resources = target.stack.preview().resources
    # Hosts that are missing or would be replaced have nothing to compare services with yet.
    changes = () if resources or target.stack.outputs() is None else _services(target)
    settings = _settings(target)
    if output is Output.JSON:
        found = [asdict(change) for change in changes]
        shown = [change.as_data() for change in settings]
        print_json({"resources": resources, "changes": found, "settings": shown})
    else:
        for change in settings:
            typer.echo(f"  {change}")
        _print(target, resources, changes)
    return ExitCode.CHANGES if resources or changes else ExitCode.OK


def _settings(target: Target) -> tuple[Setting, ...]:
    """Return what differs from what was applied last, each with its effect."""
    import asyncio

    from hxp_enterprise_llm.configuration.diff import between
    from hxp_enterprise_llm.configuration.revisions.local import local_revisions
    from hxp_enterprise_llm.configuration.snapshot import document_of
    from hxp_enterprise_llm.schemas.environment import Environment

    newest = asyncio.run(local_revisions(target.state).latest())
    if newest is None:
        return ()
    return tuple(between(newest.document, document_of(target.loaded.environment), Environment))


def _services(target: Target) -> tuple[Change, ...]:
    from hxp_enterprise_llm.orchestration.converge import converge

    return converge(target.loaded, check=True, report=lambda _: None).changes


def _print(target: Target, resources: tuple[str, ...], changes: tuple[Change, ...]) -> None:
    if not resources and not changes:
        typer.echo(f"{target.name} is what its file says; nothing to do.")
        return
    for resource in resources:
        typer.echo(f"  {resource}")
    if changes:
        print_table(
            ["host", "role", "change"],
            [[c.host, c.role, d] for c in changes for d in c.details or (c.task,)],
        )
    if resources:
        typer.echo("What changes inside those hosts is known once they are there.")
    typer.echo(f"Apply: citadel up {target.name}")
