"""`citadel verify`: checks that an environment does what it is for."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hxp_enterprise_llm.cli.console import Output, OutputOption, print_json, print_table
from hxp_enterprise_llm.cli.target import EnvironmentArgument, Target, open_target

if TYPE_CHECKING:
    from hxp_enterprise_llm.orchestration import verify as checks


def verify(
    environment: EnvironmentArgument, output: Annotated[Output, OutputOption] = Output.TEXT
) -> int:
    """Check endpoints, units and series; exit 1 when one fails, 4 when a host does not answer.

    Examples: citadel verify local · citadel verify local --output json
    """
    from hxp_enterprise_llm.orchestration import verify as checks

    found = checks.verify(verify_target(open_target(environment)), lambda _: None)
    failed = [check for check in found if not check.ok]
    if output is Output.JSON:
        print_json({"ok": not failed, "checks": [asdict(check) for check in found]})
    else:
        print_checks(found)
        typer.echo(f"{len(found)} checks, {len(failed)} failed")
    return checks.outcome(found)


def verify_target(target: Target) -> checks.Target:
    """Return what the checks need of an environment."""
    from hxp_enterprise_llm.orchestration import verify as checks

    return checks.Target(target.loaded.environment, target.fleet, target.remote(), target.key())


def print_checks(found: list[checks.Check]) -> None:
    """Print checks as a table."""
    print_table(
        ["", "kind", "subject", "result"],
        [["✓" if c.ok else "✗", c.kind, c.subject, c.detail] for c in found],
    )
