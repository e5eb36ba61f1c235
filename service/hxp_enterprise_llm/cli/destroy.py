"""`citadel destroy`: removes an environment, after saying what will be gone."""

from __future__ import annotations

import sys
from typing import Annotated, TextIO

import typer

from hxp_enterprise_llm.cli.console import (
    Output,
    OutputOption,
    Phases,
    print_json,
    print_warnings,
    progress_stream,
)
from hxp_enterprise_llm.cli.target import EnvironmentArgument, Target, open_target
from hxp_enterprise_llm.core.exceptions import CitadelError, RefusedError


def destroy(
    environment: EnvironmentArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed and end.")
    ] = False,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> None:
    """Remove an environment with its data; hosts of provider ssh stay, and the data on them.

    Examples: citadel destroy local --dry-run · citadel destroy local --yes --output json
    """
    target = open_target(environment)
    gone = target.stack.resources()
    stream = progress_stream(output)
    typer.echo(_announcement(target, len(gone)), stream)
    for line in gone:
        typer.echo(f"  {line}", stream)
    if not dry_run:
        if gone and not yes:
            _ask(target)
        _remove(target, stream)
    if output is Output.JSON:
        print_json({"environment": target.name, "resources": gone, "removed": not dry_run})


def _announcement(target: Target, number: int) -> str:
    if target.loaded.environment.provider.kind == "ssh":
        return (
            f"This takes the services, artifacts and credentials of {target.name} off {number} "
            "hosts; the hosts stay, with their data and Debian packages."
        )
    return f"This removes {target.name}: {number} resources, data included."


def _ask(target: Target) -> None:
    if not sys.stdin.isatty():
        raise RefusedError("destroy asks first", next_step="Give --yes in scripts.")
    if not typer.confirm(f"Remove {target.name}?", err=True):
        raise CitadelError("nothing was removed")


def _remove(target: Target, stream: TextIO) -> None:
    phases = Phases(["destroy"], before=0, stream=stream)
    with target.alone("destroy"), phases.phase("destroy") as phase:
        target.stack.recover(phase.report)
        # Also without resources: a run that was killed early may have left objects unknown to it.
        done = target.stack.destroy(phase.report)
        phase.done(f"{target.name} is gone")
    print_warnings(done.warnings)
