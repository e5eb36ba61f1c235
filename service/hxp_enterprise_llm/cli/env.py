"""`citadel env`: shell exports, so that pulumi and OpenAI clients work by themselves."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from hxp_enterprise_llm.cli.console import Output, OutputOption, print_json
from hxp_enterprise_llm.cli.target import EnvironmentArgument, Target, open_target


def env(
    environment: EnvironmentArgument, output: Annotated[Output, OutputOption] = Output.TEXT
) -> None:
    """Print shell exports for pulumi and OpenAI clients, the gateway's key among them.

    Example: eval "$(citadel env local)" && pulumi preview -s local
    """
    target = open_target(environment)
    variables = dict(target.stack.environment_variables())
    variables |= _client(target)
    if output is Output.JSON:
        print_json(variables)
        return
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def _client(target: Target) -> dict[str, str]:
    from hxp_enterprise_llm.orchestration.endpoints import gateway

    outputs = target.stack.outputs()
    if outputs is None or not target.loaded.environment.hosts_with("gateway"):
        return {}
    url = gateway(target.loaded.environment, outputs).url
    return {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": target.key()}
