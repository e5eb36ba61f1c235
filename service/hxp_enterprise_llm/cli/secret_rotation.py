"""`citadel secrets due|rotate|rule|rekey`: what is old, and how it is renewed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hxp_enterprise_llm.cli.console import (
    Output,
    OutputOption,
    print_json,
    print_table,
    print_warnings,
)
from hxp_enterprise_llm.cli.secret_manager import (
    DryRun,
    NameArgument,
    duration,
    line_of,
    system_refusals,
    told,
    with_manager,
    with_target,
)
from hxp_enterprise_llm.cli.target import EnvironmentArgument, Target, open_target
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode, RefusedError

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.secrets.manager import SecretManager
    from hxp_enterprise_llm.configuration.secrets.rotation import Ages, Due


class AgesOutput(StrEnum):
    """How ages are printed."""

    TEXT = "text"
    JSON = "json"
    PROMETHEUS = "prometheus"


def due(
    environment: EnvironmentArgument,
    *,
    to: Annotated[
        Path | None,
        typer.Option(help="Write it to this file, replaced as a whole: a node exporter's *.prom."),
    ] = None,
    output: Annotated[
        AgesOutput, typer.Option(help="text for people, json, or prometheus for a textfile.")
    ] = AgesOutput.TEXT,
) -> int:
    """List secrets and keys that are too old; exit 2 when one is due, 1 when one was not looked at.

    Examples: citadel secrets due local · citadel secrets due local --output prometheus --to a.prom
    """
    from hxp_enterprise_llm.configuration.secrets.keyring import utc_now
    from hxp_enterprise_llm.configuration.secrets.metrics import ages_text

    target = open_target(environment)
    found = _look(target)
    if output is AgesOutput.PROMETHEUS:
        _print(ages_text(found, utc_now(), target.name).rstrip("\n"), to)
        # The series say the rest: who runs this by a timer needs no mail for each secret.
        return ExitCode.OK
    if output is AgesOutput.JSON:
        _print_document(found, to)
    elif found.due:
        rows = [
            (item.path, duration(item.age), duration(item.over), _remedy(item))
            for item in found.due
        ]
        print_table(("due", "age", "late by", "renewed by"), rows)
    elif not (found.failed or found.ahead):
        typer.echo("nothing is due")
    if output is AgesOutput.TEXT and found.unknown:
        typer.echo(f"of unknown age: {', '.join(found.unknown)}")
    if found.ahead:
        names = ", ".join(found.ahead)
        print_warnings([f"set in the future, so a clock was wrong: {names}; rotate or set them"])
    print_warnings([": ".join(item) for item in found.failed])
    if found.failed:
        return ExitCode.ERROR
    return ExitCode.CHANGES if found.due or found.ahead else ExitCode.OK


@dataclass
class _Round:
    """What one run of `rotate` came to."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    failed: list[tuple[str, CitadelError]] = field(default_factory=list)


def rotate(
    environment: EnvironmentArgument,
    names: Annotated[list[str] | None, typer.Argument(help="Secrets to rotate.")] = None,
    *,
    all_due: Annotated[
        bool, typer.Option("--due", help="All that are due: 90 days old, or as their rule says.")
    ] = False,
    dry_run: DryRun = False,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Give secrets new values: random ones, or those of their hooks; `citadel up` delivers them.

    Examples: citadel secrets rotate local redis/default · citadel secrets rotate local --due
    """
    if bool(names) == all_due:
        raise RefusedError(
            "rotate needs names, or --due", next_step="See: citadel secrets list ENVIRONMENT."
        )
    from hxp_enterprise_llm.configuration.secrets.errors import SecretError

    target, run = open_target(environment), _Round()
    wanted = list(names or ())
    if all_due:
        found = _look(target)
        items = found.due
        # What others keep is theirs to renew; of ours, what cannot be looked at is an error.
        run.failed = [
            (path, SecretError(text, next_step="See: citadel secrets doctor ENVIRONMENT."))
            for path, text in found.failed
            if path.startswith("generated:")
        ]
        wanted = [item.path for item in items if _automatic(item)]
        run.left = [item.path for item in items if not _automatic(item) and not _is_key(item)]
        run.keys = [item.path for item in items if _is_key(item)]

    async def work(manager: SecretManager, actor: str) -> None:
        for name in wanted:
            try:
                await (manager.info if dry_run else manager.rotate)(name, actor=actor)
            except CitadelError as error:
                run.failed.append((name, error))
            else:
                run.done.append(name)

    with_target(target, work, *wanted)
    if run.keys and not dry_run:
        from hxp_enterprise_llm.configuration.secrets.rekey import rekey as rekeyed

        with system_refusals():
            rekeyed(target.state.parent)
    return _told_of(run, target.name, output, dry_run=dry_run)


def rule(
    environment: EnvironmentArgument,
    name: NameArgument,
    *,
    every: Annotated[
        int | None, typer.Option(help="Age in days at which it is due; 0 for the policy's 90.")
    ] = None,
    hook: Annotated[
        str | None, typer.Option(help="Program that renews it where it is used; '' for none.")
    ] = None,
    generated: Annotated[
        bool | None,
        typer.Option("--generated/--given", help="Whether a random value may follow this one."),
    ] = None,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Show or change how a secret is renewed; its value stays.

    Examples: citadel secrets rule local smtp/password --every 30 --hook ./renew-smtp
    """
    from dataclasses import replace

    from hxp_enterprise_llm.configuration.secrets.hooks import checked
    from hxp_enterprise_llm.configuration.secrets.rules import MadeBy

    changes: dict[str, Any] = {}
    if every is not None:
        changes["every_days"] = every or None
    if hook is not None:
        changes["hook"] = checked(Path(hook)) if hook else ""
    if generated is not None:
        changes["made_by"] = MadeBy.GENERATED if generated else MadeBy.GIVEN

    async def work(manager: SecretManager, actor: str) -> Any:
        info = await manager.info(name, actor=actor)
        if not changes:
            return info
        return await manager.set_rule(name, replace(info.rule, **changes), actor=actor)

    info = with_manager(environment, work, name)
    return told(info, f"{line_of(info)}, made by: {info.rule.made_by}", output)


def rekey(*, dry_run: DryRun = False, output: Annotated[Output, OutputOption] = Output.TEXT) -> int:
    """Seal the secrets of all environments of this checkout with a new key; values stay.

    Examples: citadel secrets rekey --dry-run · citadel secrets rekey --output json
    """
    from dataclasses import asdict

    from hxp_enterprise_llm.configuration.secrets.rekey import rekey as rekeyed
    from hxp_enterprise_llm.orchestration.paths import state

    with system_refusals():
        done = rekeyed(state(), dry_run=dry_run)
    if output is Output.JSON:
        print_json(asdict(done) | {"dry_run": dry_run})
        return ExitCode.OK
    would = "would be " if dry_run else ""
    for name, count in done.environments.items():
        typer.echo(f"{name}: {count} {would}sealed with {done.key_id or 'a new key'}")
    typer.echo(f"keys {would}dropped: {', '.join(done.retired) or 'none'}")
    return ExitCode.OK


def _look(target: Target) -> Ages:
    """Look at the sealed file, its key, and the references of the environment."""
    from hxp_enterprise_llm.configuration.secrets.references import watched

    addresses = watched(target.loaded)

    async def work(manager: SecretManager, _actor: str) -> Ages:
        return await manager.look(addresses)

    return with_target(target, work, *addresses, strict=False)


def _is_key(item: Due) -> bool:
    from hxp_enterprise_llm.configuration.secrets.rotation import Kind

    return item.kind is Kind.KEY


def _automatic(item: Due) -> bool:
    return item.rule.automatic and not _is_key(item)


def _remedy(item: Due) -> str:
    if _is_key(item):
        return "citadel secrets rekey"
    if not item.rule.automatic:
        return "whoever made it"
    return item.rule.hook or "citadel secrets rotate"


def _told_of(run: _Round, name: str, output: Output, *, dry_run: bool) -> int:
    if output is Output.JSON:
        failed = [{"path": path, "error": error.message} for path, error in run.failed]
        document = {"environment": name, "rotated": run.done, "left": run.left, "keys": run.keys}
        print_json(document | {"failed": failed, "dry_run": dry_run})
        if failed:
            return ExitCode.ERROR
        return ExitCode.CHANGES if run.left else ExitCode.OK
    verb = "would get a new value" if dry_run else "has a new value"
    sealed = "would be replaced" if dry_run else "was replaced"
    lines = [f"{path} {verb}" for path in run.done]
    lines += [f"{path} {sealed}" for path in run.keys]
    lines += [f"{path} stays due: whoever made it gives the new one" for path in run.left]
    if lines or not run.failed:
        typer.echo("\n".join(lines) or "nothing is due")
    if run.done and not dry_run:
        typer.echo(f"run: citadel up {name}")
    if run.failed:
        print_warnings([f"{path}: {error.message}" for path, error in run.failed[1:]])
        raise run.failed[0][1]
    return ExitCode.CHANGES if run.left else ExitCode.OK


def _print_document(found: Ages, to: Path | None) -> None:
    import json

    due = [
        {
            "path": item.path,
            "kind": item.kind,
            "age_days": item.age.days,
            "late_days": item.over.days,
            "renewed_by": _remedy(item),
        }
        for item in found.due
    ]
    failed = [{"path": path, "error": text} for path, text in found.failed]
    document = {"due": due, "unknown": found.unknown, "ahead": found.ahead, "failed": failed}
    _print(json.dumps(document, indent=2), to)


def _print(text: str, to: Path | None) -> None:
    from hxp_enterprise_llm.utilities.files import write_atomic

    if to is None:
        typer.echo(text)
        return
    try:
        write_atomic(to, text + "\n")
    except OSError as error:
        raise CitadelError(
            f"{to}: {error.strerror}", next_step="Name a file in a folder that you may write."
        ) from None
