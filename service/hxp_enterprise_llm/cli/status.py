"""`citadel status`: hosts, units and endpoints as they are now."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hxp_enterprise_llm.cli.console import Output, OutputOption, print_json, print_table
from hxp_enterprise_llm.cli.target import EnvironmentArgument, open_target
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode, UnreachableError

if TYPE_CHECKING:
    from hxp_enterprise_llm.orchestration.probe import UnitState


def status(
    environment: EnvironmentArgument, output: Annotated[Output, OutputOption] = Output.TEXT
) -> int:
    """Show hosts, units and endpoints; exit 4 when a host does not answer, 1 when a unit is down.

    Examples: citadel status local · citadel status local --output json
    """
    from hxp_enterprise_llm.orchestration.endpoints import urls
    from hxp_enterprise_llm.orchestration.probe import probe

    target = open_target(environment)
    answers = probe(target.remote(), list(target.fleet.hosts))
    found = urls(target.loaded.environment, target.fleet)
    if output is Output.JSON:
        print_json({"hosts": _document(answers), "endpoints": found})
    else:
        _print(answers)
        for name, url in found.items():
            typer.echo(f"  {name:<13} {url}")
    return _outcome(answers)


def _outcome(answers: dict[str, list[UnitState] | CitadelError]) -> ExitCode:
    if any(isinstance(units, UnreachableError) for units in answers.values()):
        return ExitCode.UNREACHABLE
    healthy = all(
        isinstance(units, list) and all(unit.ok for unit in units) for units in answers.values()
    )
    return ExitCode.OK if healthy else ExitCode.ERROR


def _print(answers: dict[str, list[UnitState] | CitadelError]) -> None:
    rows = []
    for host, units in answers.items():
        if isinstance(units, CitadelError):
            state = "away" if isinstance(units, UnreachableError) else "error"
            rows.append([host, "", state, "", "", units.message])
            continue
        rows += [
            [host, unit.unit, unit.active, unit.health, f"{unit.memory_bytes >> 20} MiB",
             f"{unit.restarts} restarts" if unit.restarts else ""]
            for unit in units
        ]  # fmt: skip
    print_table(["host", "unit", "state", "health", "memory", ""], rows)


def _document(answers: dict[str, list[UnitState] | CitadelError]) -> dict[str, object]:
    return {
        host: {"reachable": not isinstance(units, UnreachableError), "error": units.message}
        if isinstance(units, CitadelError)
        else {"reachable": True, "units": [asdict(unit) for unit in units]}
        for host, units in answers.items()
    }
