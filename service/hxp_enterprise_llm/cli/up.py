"""`citadel up`: from a validated file to a model's answer, in phases that can be run again."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hxp_enterprise_llm.cli.console import (
    Output,
    OutputOption,
    Phases,
    duration,
    print_json,
    print_warnings,
    progress_stream,
)
from hxp_enterprise_llm.cli.target import EnvironmentArgument, Target, open_target
from hxp_enterprise_llm.cli.verify import print_checks, verify_target
from hxp_enterprise_llm.core.exceptions import CitadelError

if TYPE_CHECKING:
    from hxp_enterprise_llm.orchestration.question import Answer
    from hxp_enterprise_llm.orchestration.verify import Check

PHASES = ("toolchain", "artifacts", "hosts", "converge", "verify", "ask")


def up(
    environment: EnvironmentArgument,
    reason: Annotated[
        str, typer.Option("--reason", help="Why; kept with the revision of what was applied.")
    ] = "citadel up",
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Make an environment what its file says, and ask its model.

    Safe to run again at any point and after any interruption; what is right already is left alone.

    Examples: citadel up local · citadel up local --output json
    """
    from hxp_enterprise_llm.orchestration.verify import outcome

    started = time.monotonic()
    target = open_target(environment)
    target.refuse_unresolved()
    before = int(os.environ.get("CITADEL_PHASES_BEFORE", "0"))
    phases = Phases(PHASES, before=before, stream=progress_stream(output))
    with target.alone("up"):
        _toolchain(phases)
        _artifacts(phases, target)
        _hosts(phases, target)
        _converge(phases, target)
        _keep(target, reason)
        checks = _verify(phases, target)
        answer = _ask(phases, target, checks)
    if output is Output.JSON:
        print_json(_document(target, phases, checks, answer))
    else:
        _print_end(target, answer, checks, time.monotonic() - started)
    return outcome(checks)


def _toolchain(phases: Phases) -> None:
    from hxp_enterprise_llm.orchestration.toolchain import ensure

    with phases.phase("toolchain") as phase:
        found = ensure(phase.report)
        phase.done(f"pulumi {found.version} ({found.source})", unchanged=not found.built)


def _artifacts(phases: Phases, target: Target) -> None:
    from hxp_enterprise_llm.orchestration.artifacts.fetch import fetch

    with phases.phase("artifacts") as phase:
        done = fetch(target.loaded, phase.report)
        phase.done(done.summary, unchanged=not done.changed)


def _hosts(phases: Phases, target: Target) -> None:
    with phases.phase("hosts") as phase:
        phase.report("looking for traces of an interrupted run")
        target.stack.recover(phase.report)
        done = target.stack.up(phase.report)
        hosts = " ".join(target.loaded.environment.hosts)
        phase.done(f"{hosts} (pulumi: {done.summary})", unchanged=not done.changed)
    print_warnings(done.warnings)


def _converge(phases: Phases, target: Target) -> None:
    from hxp_enterprise_llm.orchestration.converge import converge

    with phases.phase("converge") as phase:
        done = converge(target.loaded, report=phase.report)
        phase.done(done.summary, unchanged=not done.changed)


def _keep(target: Target, reason: str) -> None:
    """Keep a revision of what the hosts are now; they are so, whether it can be kept or not."""
    import asyncio
    import getpass

    from hxp_enterprise_llm.configuration.revisions.local import keep

    actor = f"person:{getpass.getuser()}"
    try:
        asyncio.run(keep(target.loaded, target.state, actor=actor, reason=reason))
    except CitadelError as error:
        print_warnings([f"no revision was kept: {error.message} {error.next_step}".rstrip()])


def _verify(phases: Phases, target: Target) -> list[Check]:
    from hxp_enterprise_llm.orchestration.verify import verify

    with phases.phase("verify") as phase:
        checks = verify(verify_target(target), phase.report)
        failed = sum(not check.ok for check in checks)
        phase.done(f"{len(checks)} checks" + (f", {failed} FAILED" if failed else ""))
    return checks


def _ask(phases: Phases, target: Target, checks: list[Check]) -> Answer | None:
    from hxp_enterprise_llm.orchestration import question
    from hxp_enterprise_llm.orchestration.endpoints import gateway

    model = chat_model(target)
    with phases.phase("ask") as phase:
        if model is None:
            phase.done("no chat model in this environment")
            return None
        if any(check.kind == "answer" and not check.ok for check in checks):
            # What failed is told as a table, which an error here would hide.
            phase.done("not asked: verify got no answer")
            return None
        door = gateway(target.loaded.environment, target.fleet)
        answer = question.ask(door, target.key(), model)
        phase.done(f'"{question.QUESTION}"')
    return answer


def chat_model(target: Target) -> str | None:
    """Return the served name of the first enabled chat model, if the environment has a gateway."""
    if not target.loaded.environment.hosts_with("gateway"):
        return None
    for name, model in target.loaded.environment.models.items():
        if model.enabled and model.task == "generate":
            return model.served_name or name
    return None


def _print_end(target: Target, answer: Answer | None, checks: list[Check], seconds: float) -> None:
    failed = [check for check in checks if not check.ok]
    if answer is not None:
        typer.echo(f"                  {answer.text}")
    if failed:
        print_checks(failed)
        typer.echo(f"{target.name} is up, but {len(failed)} checks failed.", err=True)
        typer.echo(f"  citadel logs {target.name} ROLE · citadel status {target.name}", err=True)
    else:
        typer.echo(f"{target.name} is up in {duration(seconds)}")
    typer.echo()
    for line in _directions(target):
        typer.echo(f"  {line}")


def _directions(target: Target) -> list[str]:
    from hxp_enterprise_llm.orchestration.endpoints import urls

    found, name, lines = urls(target.loaded.environment, target.fleet), target.name, []
    if "gateway" in found:
        lines.append(f"gateway     {found['gateway']}      key  {target.key()}")
    if "prometheus" in found:
        lines.append(f"prometheus  {found['prometheus']}")
    model = chat_model(target)
    if model is not None:
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
        lines.append(
            f"try         curl {found['gateway']}/chat/completions"
            f" -H 'Authorization: Bearer {target.key()}'"
            f" -H 'Content-Type: application/json' -d '{body}'"
        )
    source = target.loaded.path
    lines.append(
        f"next        citadel status {name} · edit {source}, then citadel up {name} · docs/"
    )
    return lines


def _document(
    target: Target, phases: Phases, checks: list[Check], answer: Answer | None
) -> dict[str, Any]:
    from hxp_enterprise_llm.orchestration.endpoints import urls

    return {
        "environment": target.name,
        "ok": all(check.ok for check in checks),
        "seconds": {name: round(value, 2) for name, value in phases.seconds.items()},
        "answer": None if answer is None else answer.text,
        "endpoints": urls(target.loaded.environment, target.fleet),
        "checks": [asdict(check) for check in checks],
    }
