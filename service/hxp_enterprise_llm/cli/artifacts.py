"""`citadel artifacts`: wheels, programs and models, fetched and checked before hosts need them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hxp_enterprise_llm.cli.console import (
    Output,
    OutputOption,
    Phases,
    print_json,
    print_table,
    progress_stream,
)
from hxp_enterprise_llm.cli.target import EnvironmentArgument, open_target
from hxp_enterprise_llm.core.exceptions import ExitCode

if TYPE_CHECKING:
    from hxp_enterprise_llm.orchestration.artifacts.collect import Garbage

app = typer.Typer(no_args_is_help=True)


@app.command("fetch")
def fetch(
    environment: EnvironmentArgument, output: Annotated[Output, OutputOption] = Output.TEXT
) -> None:
    """Bring everything that an environment needs into the store; resumes what was interrupted.

    Example: citadel artifacts fetch local
    """
    from hxp_enterprise_llm.orchestration.artifacts.fetch import fetch as run

    target = open_target(environment)
    phases = Phases(["artifacts"], before=0, stream=progress_stream(output))
    with phases.phase("artifacts") as phase:
        done = run(target.loaded, phase.report)
        phase.done(done.summary, unchanged=not done.changed)
    if output is Output.JSON:
        print_json({"environment": target.name, "changed": done.changed, "summary": done.summary})


@app.command("list")
def show(
    environment: EnvironmentArgument, output: Annotated[Output, OutputOption] = Output.TEXT
) -> None:
    """List what an environment needs, and what of it is in the store.

    Example: citadel artifacts list local --output json
    """
    from hxp_enterprise_llm.orchestration.artifacts.fetch import open_store
    from hxp_enterprise_llm.orchestration.artifacts.needs import needs_of
    from hxp_enterprise_llm.orchestration.artifacts.progress import size

    store, rows = open_store(), []
    for ref in needs_of(open_target(environment).loaded.environment).refs:
        view = store.view(ref.view) if store.has_view(ref.view) else None
        rows.append(
            {
                "kind": ref.kind,
                "name": ref.name,
                "digest": ref.digest,
                "present": view is not None,
                "files": 0 if view is None else len(view.files),
                "bytes": 0 if view is None else view.size,
                "path": str(store.root / ref.view),
            }
        )
    if output is Output.JSON:
        print_json(rows)
        return
    print_table(
        ("kind", "name", "state", "files", "size", "path"),
        [
            (
                str(row["kind"]),
                str(row["name"]),
                "present" if row["present"] else "missing",
                str(row["files"]),
                size(float(str(row["bytes"]))),
                str(row["path"]),
            )
            for row in rows
        ],
    )


@app.command("verify")
def verify(
    environment: EnvironmentArgument, output: Annotated[Output, OutputOption] = Output.TEXT
) -> int:
    """Hash everything that an environment needs again; sets aside what has changed.

    Example: citadel artifacts verify local
    """
    from hxp_enterprise_llm.orchestration.artifacts.collect import verify as run
    from hxp_enterprise_llm.orchestration.artifacts.fetch import open_store
    from hxp_enterprise_llm.orchestration.artifacts.needs import needs_of

    refs = needs_of(open_target(environment).loaded.environment).refs
    with Phases(["verify"], before=0, stream=sys.stderr).phase("verify") as phase:
        findings = run(open_store(), refs, phase.report)
        phase.done(f"{len(findings)} findings" if findings else "every hash is as it was locked")
    if output is Output.JSON:
        print_json([{"artifact": item.artifact, "problem": item.problem} for item in findings])
    for finding in findings if output is Output.TEXT else ():
        typer.echo(f"{finding.artifact}  {finding.problem}")
    return ExitCode.CHANGES if findings else ExitCode.OK


@app.command("gc")
def collect(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it, only tell.")] = False,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> None:
    """Remove what no environment of any checkout needs; a dry run unless --yes is given.

    Examples: citadel artifacts gc --yes · citadel artifacts gc --output json
    """
    from hxp_enterprise_llm.orchestration.artifacts.collect import garbage, remove
    from hxp_enterprise_llm.orchestration.artifacts.fetch import open_store
    from hxp_enterprise_llm.orchestration.paths import cache

    store = open_store()
    items = garbage(store, cache() / "venvs")
    if yes:
        remove(store, items)
    if output is Output.JSON:
        rows = [{"path": str(item.path), "bytes": item.size} for item in items]
        print_json({"removed": yes, "bytes": sum(item.size for item in items), "items": rows})
    else:
        _print_garbage(items, removed=yes)


def _print_garbage(items: list[Garbage], *, removed: bool) -> None:
    from hxp_enterprise_llm.orchestration.artifacts.progress import size

    for item in items:
        typer.echo(f"{size(item.size):>8}  {item.path}")
    total = f"{len(items)} items, {size(sum(item.size for item in items))}"
    typer.echo(
        f"removed {total}" if removed else f"{total}; remove them: citadel artifacts gc --yes"
    )
