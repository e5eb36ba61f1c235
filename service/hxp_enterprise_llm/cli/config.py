"""`citadel config`: validate, show, explain and report on environment files, and go back."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hxp_enterprise_llm.cli import account, compliance, migrate, report, revisions
from hxp_enterprise_llm.cli.console import Output, OutputOption, only_form, print_json
from hxp_enterprise_llm.cli.target import EnvironmentArgument
from hxp_enterprise_llm.core.exceptions import ExitCode

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.explain import Explanation

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


class ReportFormat(StrEnum):
    """Forms of `validate --format`; the words are those of `configuration.formats`."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"


@app.command()
def validate(
    environments: Annotated[
        list[str] | None,
        typer.Argument(
            help="Environments, or files of services and deployments; all environments when none "
            "is given."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--for", help="Hold services and deployments against its hosts and ports as well."
        ),
    ] = None,
    form: Annotated[
        ReportFormat | None,
        typer.Option(
            "--format", help="Form of the report: sarif for code scanners, junit for test reports."
        ),
    ] = None,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Check files of environments, services and deployments; exit 3 when one has errors.

    Examples: citadel config validate · citadel config validate deployment.yaml --for local
    """
    from hxp_enterprise_llm.configuration.formats import Format, report, text_of
    from hxp_enterprise_llm.configuration.loader import load
    from hxp_enterprise_llm.configuration.validation import ConfigurationValidator

    asked = Format(only_form(form, output))
    known = load(against).environment if against is not None else None
    verdicts = ConfigurationValidator(against=known).validate_all(environments or ())
    if asked is Format.TEXT:
        for verdict in verdicts:
            typer.echo(text_of(verdict), err=not verdict.valid)
    else:
        typer.echo(report(verdicts, asked))
    return ExitCode.OK if all(verdict.valid for verdict in verdicts) else ExitCode.REFUSED


@app.command()
def show(
    environment: EnvironmentArgument, output: Annotated[Output, OutputOption] = Output.TEXT
) -> int:
    """Print the whole document as it counts, defaults included; secrets stay references.

    Examples: citadel config show local · citadel config show local --output json
    """
    from hxp_enterprise_llm.configuration.loader import load
    from hxp_enterprise_llm.configuration.resolved import resolved

    loaded = load(environment)
    _print_document(resolved(loaded.name, loaded.environment), output)
    return ExitCode.OK


@app.command()
def explain(
    environment: EnvironmentArgument,
    path: Annotated[str, typer.Argument(help="Keys joined by dots: hosts.llm-1.memory")] = "",
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Say where a value comes from, what it replaced, what it means, and its unit.

    Examples: citadel config explain local models.smollm2 · citadel config explain local
    """
    from dataclasses import asdict

    from hxp_enterprise_llm.configuration.explain import explain as explanations
    from hxp_enterprise_llm.configuration.loader import load

    found = explanations(load(environment), path)
    if output is Output.JSON:
        print_json([asdict(item) for item in found])
    else:
        typer.echo("\n".join(_lines(item) for item in found))
    return ExitCode.OK


@app.command()
def schema(output: Annotated[Output, OutputOption] = Output.JSON) -> int:
    """Print the JSON Schema of environment files, for editors; text is the same as YAML.

    Examples: citadel config schema > environment.schema.json
    """
    from hxp_enterprise_llm.configuration.json_schema import environment_schema

    _print_document(environment_schema(), output)
    return ExitCode.OK


app.command()(report.report)
app.command()(compliance.compliance)
app.command()(migrate.migrate)
app.command()(revisions.history)
app.command()(revisions.diff)
app.command()(revisions.rollback)
app.command()(revisions.backup)
app.command()(revisions.restore)
app.add_typer(account.app, name="account", help="Say who can log in to its service.")


def _print_document(document: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        print_json(document)
        return
    import yaml

    typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)


def _lines(item: Explanation) -> str:
    lines = [f"{item.path} = {_shown(item.value, item.unit)}", f"  from      {item.source}"]
    lines += [
        f"  replaced  {_shown(before['value'], '')} of {before['source']}"
        for before in item.overrode
    ]
    if item.description:
        lines.append(f"  means     {item.description}")
    return "\n".join(lines)


def _shown(value: Any, unit: str) -> str:
    import json

    if unit == "bytes" and isinstance(value, int):
        return f"{value / 2**30:g} GiB ({value} bytes)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{text} {unit}".rstrip() if value is not None else "null"
