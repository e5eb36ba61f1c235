"""`citadel ssh`: a shell or a command on a host."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from hxp_enterprise_llm.cli.target import EnvironmentArgument, open_target


def ssh(
    environment: EnvironmentArgument,
    host: Annotated[str, typer.Argument(help="Name of the host.")],
    command: Annotated[
        list[str] | None, typer.Argument(help="Command to run there; a shell when not given.")
    ] = None,
) -> None:
    """Open a shell on a host, or run a command there.

    Examples: citadel ssh local data-1 · citadel ssh local llm-1 -- systemctl status citadel-*
    """
    words = (
        open_target(environment).remote().command(host, *(command or ()), terminal=command is None)
    )
    os.execvp(words[0], words)  # noqa: S606
