"""`citadel config report`: an environment's configuration from above."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from hxp_enterprise_llm.cli.console import Output, OutputOption, only_form, print_json
from hxp_enterprise_llm.cli.target import EnvironmentArgument, Target, open_target
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
    from hxp_enterprise_llm.configuration.report import Sight
    from hxp_enterprise_llm.configuration.report.capacity import Query
    from hxp_enterprise_llm.configuration.revisions import Revision


class ReportForm(StrEnum):
    """Forms of a report."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


class Level(StrEnum):
    """Security levels; the words are those of `configuration.security.policies`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


def report(
    environment: EnvironmentArgument,
    form: Annotated[
        ReportForm | None,
        typer.Option("--format", help="html is one page that needs nothing else."),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", help="Compare with this one; with all others by default."),
    ] = None,
    window: Annotated[str, typer.Option(help="Time that measured figures look at.")] = "24h",
    level: Annotated[Level, typer.Option(help="Security level of the checks.")] = Level.MEDIUM,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Show unused keys, risks, drift, capacity, trends and advice; changes nothing.

    Examples: citadel config report local · citadel config report local --format html > report.html
    """
    import asyncio
    from datetime import UTC, datetime

    from hxp_enterprise_llm.configuration import report as reports

    asked = ReportForm(only_form(form, output))
    target = open_target(environment)
    sight = _sight(target, against, window, level)
    made = asyncio.run(reports.report(sight, datetime.now(UTC)))
    if asked is ReportForm.JSON:
        print_json(made.as_data())
    else:
        typer.echo(reports.html(made) if asked is ReportForm.HTML else made.text())
    return ExitCode.OK


def _sight(target: Target, against: list[str] | None, window: str, level: Level) -> Sight:
    import asyncio

    from hxp_enterprise_llm.configuration.report import Sight
    from hxp_enterprise_llm.configuration.revisions.local import local_revisions
    from hxp_enterprise_llm.schemas.security import SecurityLevel

    others, broken = _others(target, against)
    newest_first = asyncio.run(local_revisions(target.state).history(limit=None))
    query, why = _query(target, newest_first)
    return Sight(
        loaded=target.loaded,
        state=target.state,
        others=others,
        broken=broken,
        revisions=tuple(reversed(newest_first)),
        query=query,
        unmeasured=why,
        window=window,
        level=SecurityLevel(level.value),
    )


def _others(target: Target, against: list[str] | None) -> tuple[list[LoadedEnvironment], list[str]]:
    """Return the other environments, and the names of those that have errors."""
    from hxp_enterprise_llm.configuration.diagnostics import InvalidEnvironmentError
    from hxp_enterprise_llm.configuration.loader import environments, load

    if against:
        return [load(name) for name in against], []
    others, broken = [], []
    for name in environments():
        if name == target.name:
            continue
        try:
            others.append(load(name))
        except InvalidEnvironmentError:
            broken.append(name)
    return others, broken


def _query(target: Target, revisions: tuple[Revision, ...]) -> tuple[Query | None, str]:
    """Return what asks the environment's Prometheus, or why there is none to ask."""
    from hxp_enterprise_llm.orchestration.endpoints import endpoints
    from hxp_enterprise_llm.orchestration.metrics import Prometheus

    if not revisions:
        # Looking for its stack would fetch the engine first.
        return None, f"environment {target.name} was never brought up"
    try:
        doors = endpoints(target.loaded.environment, target.fleet, "prometheus", "prometheus")
    except CitadelError as error:
        return None, error.message
    if not doors:
        return None, "no host has the role prometheus"
    return Prometheus(doors[0]).query, ""
