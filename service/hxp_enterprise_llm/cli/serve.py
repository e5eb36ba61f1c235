"""`citadel serve`: run a service of ours in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _services() -> None:
    """Run a service of ours in the foreground."""


@app.command()
def gateway(
    config: Annotated[Path, typer.Option("--config", help="Path of gateway.yaml.")],
    worker: Annotated[int, typer.Option("--worker", min=1, help="Number of this worker.")] = 1,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only validate the file; exit 3 when it is wrong.")
    ] = False,
) -> int:
    """Serve the gateway until SIGTERM; the key is read from $CREDENTIALS_DIRECTORY.

    Examples: citadel serve gateway --config gateway.yaml
    """
    from hxp_enterprise_llm.gateway.__main__ import serve

    return serve(config, worker=worker, check=check)


@app.command()
def configuration(
    config: Annotated[Path, typer.Option("--config", help="Path of configuration.yaml.")],
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only validate the file; exit 3 when it is wrong.")
    ] = False,
) -> int:
    """Serve configuration until SIGTERM; keys are read from $CREDENTIALS_DIRECTORY.

    Examples: citadel serve configuration --config configuration.yaml
    """
    from hxp_enterprise_llm.configuration.service.__main__ import serve

    return serve(config, check=check)
