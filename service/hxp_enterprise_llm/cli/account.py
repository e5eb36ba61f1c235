"""`citadel config account`: who can log in to the configuration service."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from hxp_enterprise_llm.cli.console import Output, OutputOption, print_json, print_table
from hxp_enterprise_llm.cli.target import EnvironmentArgument, Target, open_target
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode, RefusedError

if TYPE_CHECKING:
    from hxp_enterprise_llm.orchestration.configuration_door import ConfigurationDoor

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
_ADMINISTRATOR = "citadel"
_ACCOUNTS = "/v1/accounts"
_PersonArgument = Annotated[str, typer.Argument(help="A principal of the environment file.")]


@app.callback()
def _accounts() -> None:
    """Say who can log in to the configuration service."""


@app.command("list")
def list_(
    environment: EnvironmentArgument, output: Annotated[Output, OutputOption] = Output.TEXT
) -> int:
    """List who has a password, and how many sessions they have.

    Examples: citadel config account list local
    """
    found = door(open_target(environment)).ask("GET", _ACCOUNTS)["items"]
    if output is Output.JSON:
        print_json(found)
    elif found:
        print_table(("name", "sessions"), [(one["name"], str(one["sessions"])) for one in found])
    else:
        typer.echo("nobody has a password: citadel config account set ENVIRONMENT NAME")
    return ExitCode.OK


@app.command("set")
def set_(
    environment: EnvironmentArgument,
    name: _PersonArgument,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Give a person a password; it is asked for, or read from a pipe. Their sessions end.

    Examples: citadel config account set local ada · pass show ada | citadel config account set …
    """
    target = open_target(environment)
    password = _password(name)
    door(target).ask("PUT", f"{_ACCOUNTS}/{quote(name, safe='')}", {"password": password})
    return _told(name, f"{name} has a new password; sessions of before are over", output)


@app.command()
def remove(
    environment: EnvironmentArgument,
    name: _PersonArgument,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Take a person's password away; their sessions end.

    Examples: citadel config account remove local ada
    """
    door(open_target(environment)).ask("DELETE", f"{_ACCOUNTS}/{quote(name, safe='')}")
    return _told(name, f"{name} can log in no more", output)


def door(target: Target) -> ConfigurationDoor:
    """Return the way to the first server of an environment, with its administrator's key.

    Raises:
        CitadelError: No host has the role.
        RefusedError: The key has no value here.
    """
    from hxp_enterprise_llm.configuration.secrets import Secrets, refuse_unresolved
    from hxp_enterprise_llm.orchestration.configuration_door import ConfigurationDoor
    from hxp_enterprise_llm.orchestration.endpoints import endpoints

    environment = target.loaded.environment
    if not environment.hosts_with("configuration"):
        raise CitadelError(
            f"environment {target.name} has no configuration service",
            next_step=f"Give a host the role configuration and run: citadel up {target.name}",
        )
    refuse_unresolved(
        target.loaded, target.state, ("infrastructure_services", "configuration", "key")
    )
    key = Secrets(target.state).resolve(environment.infrastructure_services.configuration.key)
    found = endpoints(environment, target.fleet, "configuration", "configuration")
    if not found:
        raise CitadelError(
            f"environment {target.name} was not brought up with its configuration service",
            next_step=f"run: citadel up {target.name}",
        )
    return ConfigurationDoor(found[0].url, _ADMINISTRATOR, key.reveal())


def _password(name: str) -> str:
    """Ask twice without echo, or read one line from a pipe; never an argument, which others see."""
    if sys.stdin.isatty():
        return str(
            typer.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True)
        )
    text = sys.stdin.read().rstrip("\n")
    if not text or "\n" in text:
        raise RefusedError(
            "one line with the password is needed",
            next_step="Type it when asked, or pipe it in: … < FILE",
        )
    return text


def _told(name: str, text: str, output: Output) -> int:
    if output is Output.JSON:
        print_json({"name": name})
    else:
        typer.echo(text)
    return ExitCode.OK
