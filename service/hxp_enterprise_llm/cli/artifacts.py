"""`citadel artifacts`: wheels, programs and models, fetched and checked before hosts need them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hxp_enterprise_llm.cli.console import Output, OutputOption, Phases, print_json, print_table
from hxp_enterprise_llm.cli.target import EnvironmentArgument, open_target
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode

app = typer.Typer(no_args_is_help=True)


@app.command("fetch")
def fetch(environment: EnvironmentArgument) -> None:
    """Bring everything that an environment needs into the store; resumes what was interrupted.

    Example: citadel artifacts fetch local
    """
    from hxp_enterprise_llm.orchestration.artifacts.fetch import fetch as run

    target = open_target(environment)
    with Phases(["artifacts"], before=0, stream=sys.stdout).phase("artifacts") as phase:
        done = run(target.loaded, phase.report)
        phase.done(done.summary, unchanged=not done.changed)


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
    *, yes: Annotated[bool, typer.Option("--yes", help="Remove; without it, only tell.")] = False
) -> None:
    """Remove what no environment of any checkout needs; a dry run unless --yes is given.

    Example: citadel artifacts gc --yes
    """
    from hxp_enterprise_llm.orchestration.artifacts.collect import garbage, remove
    from hxp_enterprise_llm.orchestration.artifacts.fetch import open_store
    from hxp_enterprise_llm.orchestration.artifacts.progress import size
    from hxp_enterprise_llm.orchestration.paths import cache

    store = open_store()
    items = garbage(store, cache() / "venvs")
    for item in items:
        typer.echo(f"{size(item.size):>8}  {item.path}")
    total = size(sum(item.size for item in items))
    if yes:
        remove(store, items)
        typer.echo(f"removed {len(items)} items, {total}")
    else:
        typer.echo(f"{len(items)} items, {total}; remove them: citadel artifacts gc --yes")


@app.command("lock")
def lock(
    *,
    check: Annotated[bool, typer.Option("--check", help="Only tell whether it is fresh.")] = False,
) -> None:
    """Write locks/pylock.gateway.toml from uv.lock.

    Example: citadel artifacts lock --check
    """
    from hxp_enterprise_llm.orchestration.artifacts.own_wheel import gateway_lock
    from hxp_enterprise_llm.orchestration.paths import checkout
    from hxp_enterprise_llm.utilities.files import write_atomic

    path = checkout() / "locks" / "pylock.gateway.toml"
    text = gateway_lock(checkout())
    if check and path.read_text() != text:
        raise CitadelError(f"{path} is stale", next_step="run: citadel artifacts lock")
    if not check:
        write_atomic(path, text)


@app.command("flags")
def flags() -> None:
    """Ask the locked vLLM for its arguments and write schemas/vllm_flags.json.

    Example: citadel artifacts flags
    """
    from hxp_enterprise_llm.orchestration.artifacts.flags import SNAPSHOT
    from hxp_enterprise_llm.orchestration.artifacts.flags import flags as ask
    from hxp_enterprise_llm.orchestration.paths import checkout
    from hxp_enterprise_llm.utilities.files import write_atomic

    with Phases(["flags"], before=0, stream=sys.stdout).phase("flags") as phase:
        text = ask(phase.report)
        path = checkout() / SNAPSHOT
        same = path.read_text() == text
        write_atomic(path, text)
        phase.done(SNAPSHOT, unchanged=same)
