"""`citadel config migrate`: rewrites files of older versions, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hxp_enterprise_llm.cli.console import (
    Output,
    OutputOption,
    print_json,
    print_table,
    progress_stream,
)
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode, RefusedError

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.migration.files import FileMigrator, FilePlan
    from hxp_enterprise_llm.configuration.migration.journal import Migration


def migrate(
    environments: Annotated[
        list[str] | None,
        typer.Argument(help="Names or paths; every file of stacks/environments/ by default."),
    ] = None,
    *,
    to: Annotated[int | None, typer.Option("--to", help="Version; the newest by default.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether a file is older; exit 2 when one is.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change and end.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="List what was migrated, by whom and when.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask, also where keys are lost; for scripts.")
    ] = False,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Rewrite environment files, with those that they extend, as another version says them.

    All or none are written; comments and order stay.

    Examples: citadel config migrate --check · citadel config migrate local --to 1 --dry-run
    """
    migrator = _migrator()
    if history:
        return _history(migrator, output)
    stream = progress_stream(output)
    paths = _paths(environments)
    if not (check or dry_run):
        _settle(migrator, stream)
    plans = migrator.plan_all(paths, to)
    changed = [plan for plan in plans if plan.changed]
    for plan in plans:
        typer.echo(_told(plan, check=check), stream)
    if changed and not (check or dry_run):
        _ask(changed, yes=yes)
        migrator.apply_all(changed, actor=_actor())
    if output is Output.JSON:
        print_json([_document(plan, written=not (check or dry_run)) for plan in plans])
    return ExitCode.CHANGES if check and changed else ExitCode.OK


def _migrator() -> FileMigrator:
    from hxp_enterprise_llm.configuration.migration.files import FileMigrator
    from hxp_enterprise_llm.orchestration.paths import state

    return FileMigrator(state() / "migrations")


def _settle(migrator: FileMigrator, stream: Any) -> None:
    from hxp_enterprise_llm.configuration.diagnostics import shown

    for path in migrator.settle():
        typer.echo(f"{shown(path)} is put back: a migration of several files was killed", stream)


def _paths(environments: list[str] | None) -> list[Path]:
    from hxp_enterprise_llm.configuration.loader import locate
    from hxp_enterprise_llm.orchestration.paths import checkout

    if environments:
        return [locate(name) for name in environments]
    return sorted((checkout() / "stacks" / "environments").glob("*.yaml"))


def _actor() -> str:
    import getpass

    return f"person:{getpass.getuser()}"


def _told(plan: FilePlan, *, check: bool) -> str:
    from hxp_enterprise_llm.configuration.diagnostics import dotted, shown

    name, migrated = shown(plan.path), plan.migrated
    if not plan.changed:
        return f"{name} is of version {migrated.version}"
    lines = [f"{name}: version {migrated.before} → {migrated.version}"]
    lines += [f"  {step.title}" for step in migrated.steps]
    lines += [
        f"  lost: {dotted(path)} has no place in version {migrated.version}"
        for path in migrated.lost
    ]
    return "\n".join([*lines, *(() if check else (plan.diff(),))])


def _ask(plans: list[FilePlan], *, yes: bool) -> None:
    lost = sum(len(plan.migrated.lost) for plan in plans)
    if yes or not lost:
        return
    if not sys.stdin.isatty():
        raise RefusedError(
            f"{lost} keys would be lost", next_step="Look at --dry-run; give --yes in scripts."
        )
    if not typer.confirm(f"Write the files without these {lost} keys?", err=True):
        raise CitadelError("nothing was changed")


def _document(plan: FilePlan, *, written: bool) -> dict[str, Any]:
    from hxp_enterprise_llm.configuration.diagnostics import dotted, shown

    migrated = plan.migrated
    return {
        "file": shown(plan.path),
        "from": migrated.before,
        "to": migrated.version,
        "steps": [step.title for step in migrated.steps],
        "lost": [dotted(path) for path in migrated.lost],
        "diff": plan.diff(),
        "written": written and plan.changed,
    }


def _history(migrator: FileMigrator, output: Output) -> int:
    from hxp_enterprise_llm.configuration.diagnostics import shown

    found = migrator.history()
    if output is Output.JSON:
        print_json([_entry(item) for item in found])
        return ExitCode.OK
    rows = [
        (
            f"{item.at:%Y-%m-%d %H:%M:%S}",
            shown(item.file),
            f"{item.before} → {item.after}",
            item.actor,
            item.outcome,
            shown(item.old),
        )
        for item in found
    ]
    if rows:
        print_table(("migrated (UTC)", "file", "version", "by", "outcome", "text of before"), rows)
    else:
        typer.echo("nothing was migrated yet")
    return ExitCode.OK


def _entry(item: Migration) -> dict[str, Any]:
    return {
        "at": item.at.isoformat(),
        "actor": item.actor,
        "file": str(item.file),
        "from": item.before,
        "to": item.after,
        "lost": list(item.lost),
        "before": str(item.old),
        "outcome": item.outcome.value,
    }
