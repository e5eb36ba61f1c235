"""`citadel status`: hosts, units and endpoints as they are now."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hxp_enterprise_llm.cli.console import Output, OutputOption, print_json, print_table
from hxp_enterprise_llm.cli.target import EnvironmentArgument, Target, open_target
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode

if TYPE_CHECKING:
    from hxp_enterprise_llm.orchestration.probe import UnitState

_LISTENERS = {"gateway": "gateway", "prometheus": "prometheus", "alertmanager": "alertmanager"}


def status(
    environment: EnvironmentArgument, output: Annotated[Output, OutputOption] = Output.TEXT
) -> int:
    """Show hosts, units and endpoints; exit 4 when a host does not answer, 1 when a unit is down.

    Examples: citadel status local · citadel status local --output json
    """
    from hxp_enterprise_llm.orchestration.probe import probe

    target = open_target(environment)
    answers = probe(target.remote(), list(target.fleet.hosts))
    if output is Output.JSON:
        print_json({"hosts": _document(answers), "endpoints": _endpoints(target)})
    else:
        _print(answers)
        for name, url in _endpoints(target).items():
            typer.echo(f"  {name:<13} {url}")
    if any(isinstance(units, CitadelError) for units in answers.values()):
        return ExitCode.UNREACHABLE
    healthy = all(
        unit.ok for units in answers.values() if isinstance(units, list) for unit in units
    )
    return ExitCode.OK if healthy else ExitCode.ERROR


def _print(answers: dict[str, list[UnitState] | CitadelError]) -> None:
    rows = []
    for host, units in answers.items():
        if isinstance(units, CitadelError):
            rows.append([host, "", "away", "", "", units.message])
            continue
        rows += [
            [host, unit.unit, unit.active, unit.health, f"{unit.memory_bytes >> 20} MiB",
             f"{unit.restarts} restarts" if unit.restarts else ""]
            for unit in units
        ]  # fmt: skip
    print_table(["host", "unit", "state", "health", "memory", ""], rows)


def _document(answers: dict[str, list[UnitState] | CitadelError]) -> dict[str, object]:
    return {
        host: {"reachable": False, "error": units.message}
        if isinstance(units, CitadelError)
        else {"reachable": True, "units": [asdict(unit) for unit in units]}
        for host, units in answers.items()
    }


def _endpoints(target: Target) -> dict[str, str]:
    from hxp_enterprise_llm.orchestration.endpoints import endpoints

    found = {}
    for role, listener in _LISTENERS.items():
        for endpoint in endpoints(target.loaded.environment, target.fleet, role, listener):
            found[role] = endpoint.url + ("/v1" if role == "gateway" else "")
    return found
