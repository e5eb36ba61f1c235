"""`citadel new`: a working, tested skeleton of a service, a role or an environment."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hxp_enterprise_llm.cli.console import Output, OutputOption, print_json

if TYPE_CHECKING:
    from hxp_enterprise_llm.cli.skeleton import Skeleton

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be written; write nothing.")
]
Name = Annotated[str, typer.Argument(help="Small letters, digits and `-`, such as vector-index.")]


@app.callback()
def _new() -> None:
    """Write a working, tested skeleton of a service, a role or an environment.

    Examples: citadel new service vector-index · citadel new environment lab --from ssh
    """


@app.command()
def service(
    name: Name, *, dry_run: DryRun = False, output: Annotated[Output, OutputOption] = Output.TEXT
) -> None:
    """Write a service: configuration, service, entry point, tests and a page.

    Example: citadel new service vector-index
    """
    from hxp_enterprise_llm.cli import skeleton
    from hxp_enterprise_llm.orchestration.paths import checkout

    root = checkout()
    made = skeleton.service(root, name)
    if not dry_run:
        skeleton.write(root, made)
        _tidy(root, made)
    module = name.replace("-", "_")
    _say(made, output, f".venv/bin/python -m pytest tests/unit/{module}", dry_run=dry_run)


@app.command()
def role(
    name: Name, *, dry_run: DryRun = False, output: Annotated[Output, OutputOption] = Output.TEXT
) -> None:
    """Write a role: data, resolver, bundle, scenario and tests; name it where roles are named.

    Example: citadel new role minio
    """
    from hxp_enterprise_llm.cli import skeleton
    from hxp_enterprise_llm.orchestration.paths import checkout

    root = checkout()
    made = skeleton.role(root, name)
    if not dry_run:
        skeleton.write(root, made)
        _tidy(root, made)
        _generate(root)
    test = f"tests/unit/roles/test_role_{name.replace('-', '_')}.py"
    _say(made, output, f".venv/bin/python -m pytest {test}", dry_run=dry_run)


class Template(StrEnum):
    """Templates of environments, by what provides their hosts."""

    LOCAL = "local"
    SSH = "ssh"


@app.command()
def environment(
    name: Name,
    *,
    template: Annotated[
        Template, typer.Option("--from", help="What provides its hosts.")
    ] = Template.LOCAL,
    dry_run: DryRun = False,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> None:
    """Write an environment: from containers on this machine, or for hosts that you have.

    Examples: citadel new environment lab · citadel new environment site --from ssh
    """
    from hxp_enterprise_llm.cli import skeleton
    from hxp_enterprise_llm.orchestration.paths import checkout

    root = checkout()
    made = skeleton.environment(root, name, template)
    if not dry_run:
        skeleton.write(root, made)
    _say(made, output, f"citadel config validate {name}", dry_run=dry_run)


def _tidy(root: Path, made: Skeleton) -> None:
    # The order of imports and the breaks of lines depend on the name.
    from hxp_enterprise_llm.utilities.process import own, run

    files = [path for path in (*made.files, *made.edits) if path.endswith(".py")]
    for words in (["check", "--select", "I", "--fix"], ["format"]):
        command = [own("ruff"), *words, "--quiet", "--no-cache", *files]
        run(command, cwd=root, next_step="The files are written; run: make format")


def _generate(root: Path) -> None:
    # In a process of its own: this one has the models as they were.
    from hxp_enterprise_llm.utilities.process import run

    run(
        [sys.executable, "-m", "hxp_enterprise_llm.configuration.generate"],
        cwd=root,
        next_step="Correct what it names, then run: make generate",
    )


def _say(made: Skeleton, output: Output, test: str, *, dry_run: bool) -> None:
    if output is Output.JSON:
        print_json({"written": not dry_run, "files": [*made.files], "edited": [*made.edits]})
        return
    verb = "would write" if dry_run else "wrote"
    for path in made.files:
        typer.echo(f"{verb}  {path}")
    for path in made.edits:
        typer.echo(f"{'would edit' if dry_run else 'edited'}  {path}")
    if not dry_run:
        typer.echo(f"\nNext: {test}")
