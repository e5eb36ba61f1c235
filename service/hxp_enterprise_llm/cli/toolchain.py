"""`citadel toolchain`: which Pulumi engine is used, and where it came from."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hxp_enterprise_llm.cli.console import Output, OutputOption, Phases, print_json


def toolchain(output: Annotated[Output, OutputOption] = Output.TEXT) -> None:
    """Find or make the Pulumi engine, and say which one it is.

    Example: citadel toolchain --output json
    """
    from hxp_enterprise_llm.orchestration.toolchain import ensure

    phases = Phases(["toolchain"], before=0, stream=sys.stderr)
    with phases.phase("toolchain") as phase:
        found = ensure(phase.report)
        phase.done(f"pulumi {found.version} ({found.source})", unchanged=not found.built)
    if output is Output.JSON:
        print_json(
            {
                "engine": "pulumi",
                "version": found.version,
                "path": str(found.pulumi),
                "source": found.source,
                "built": found.built,
            }
        )
    else:
        typer.echo(f"pulumi {found.version}  {found.pulumi}  {found.source}")
