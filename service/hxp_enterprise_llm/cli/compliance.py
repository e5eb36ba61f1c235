"""`citadel config compliance`: what a security level asks, and whether an environment gives it."""

from __future__ import annotations

from typing import Annotated

import typer

from hxp_enterprise_llm.cli.console import Output, OutputOption, print_json
from hxp_enterprise_llm.cli.report import Level
from hxp_enterprise_llm.cli.target import EnvironmentArgument, open_target
from hxp_enterprise_llm.core.exceptions import ExitCode


def compliance(
    environment: EnvironmentArgument,
    level: Annotated[
        Level | None, typer.Option(help="Security level of the checks; the environment's own.")
    ] = None,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Check an environment against a security level; exit 1 when something fails or is not seen.

    Examples: citadel config compliance local · citadel config compliance local --level high
    """
    import asyncio
    from datetime import UTC, datetime

    from hxp_enterprise_llm.configuration.report.facts import assessed
    from hxp_enterprise_llm.configuration.revisions.local import local_revisions
    from hxp_enterprise_llm.schemas.security import SecurityLevel

    target = open_target(environment)
    own = target.loaded.environment.infrastructure_services.configuration.security.level
    asked = own if level is None else SecurityLevel(level.value)
    revisions = asyncio.run(local_revisions(target.state).history(limit=None))
    made = asyncio.run(
        assessed(target.loaded, target.state, revisions, asked, datetime.now(tz=UTC))
    )
    if output is Output.JSON:
        print_json(made.as_data())
    else:
        typer.echo(made.text())
    return ExitCode.OK if made.compliant else ExitCode.ERROR
