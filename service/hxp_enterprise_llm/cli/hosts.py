"""`citadel hosts`: the Pulumi half by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from hxp_enterprise_llm.cli.console import (
    Output,
    OutputOption,
    Phases,
    print_json,
    print_table,
    print_warnings,
    progress_stream,
)
from hxp_enterprise_llm.cli.target import EnvironmentArgument, open_target

app = typer.Typer(no_args_is_help=True)


@app.command("up")
def up(
    environment: EnvironmentArgument, output: Annotated[Output, OutputOption] = Output.TEXT
) -> None:
    """Make the hosts of an environment, or repair them; nothing is configured on them.

    Example: citadel hosts up local
    """
    target = open_target(environment)
    phases = Phases(["hosts"], before=0, stream=progress_stream(output))
    with target.alone("hosts up"), phases.phase("hosts") as phase:
        target.stack.recover(phase.report)
        done = target.stack.up(phase.report)
        hosts = " ".join(target.loaded.environment.hosts)
        phase.done(f"{hosts} (pulumi: {done.summary})", unchanged=not done.changed)
    print_warnings(done.warnings)
    if output is Output.JSON:
        print_json(
            {"environment": target.name, "changed": done.changed, "resources": dict(done.counts)}
        )


@app.command("down")
def down(
    environment: EnvironmentArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")] = False,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> None:
    """Remove the hosts of an environment and their data; asks first, as `destroy` does.

    Example: citadel hosts down roles/redis/molecule/default/role-redis.yaml --yes
    """
    from hxp_enterprise_llm.cli.destroy import destroy

    destroy(environment, yes=yes, output=output)


@app.command("list")
def show(
    environment: EnvironmentArgument, output: Annotated[Output, OutputOption] = Output.TEXT
) -> None:
    """List the hosts that an environment has, with how to reach them.

    Example: citadel hosts list local --output json
    """
    target = open_target(environment)
    fleet = target.fleet
    if output is Output.JSON:
        print_json(fleet.model_dump(mode="json"))
        return
    print_table(
        ("host", "roles", "address", "ssh", "published"),
        [
            (
                host.name,
                " ".join(host.roles),
                host.address,
                f"{host.ssh.user}@{host.ssh.host}:{host.ssh.port}",
                " ".join(f"{name}:{port}" for name, port in host.published.items()),
            )
            for host in fleet.hosts.values()
        ],
    )
