"""`citadel config`: validate, show and explain environment files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hxp_enterprise_llm.cli.console import Output, OutputOption, print_json
from hxp_enterprise_llm.cli.target import EnvironmentArgument
from hxp_enterprise_llm.core.exceptions import ExitCode

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.diagnostics import Diagnostic
    from hxp_enterprise_llm.configuration.explain import Explanation
    from hxp_enterprise_llm.configuration.loader import LoadedEnvironment

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command()
def validate(
    environments: Annotated[
        list[str] | None,
        typer.Argument(help="Names or paths; all of stacks/environments/ when none is given."),
    ] = None,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Check environment files; exit 3 when one has errors.

    Examples: citadel config validate · citadel config validate local --output json
    """
    results = [_validated(name) for name in environments or _all_names()]
    if output is Output.JSON:
        print_json([_document(*result) for result in results])
    else:
        _print_results(results)
    refused = any(loaded is None for _, loaded, _ in results)
    return ExitCode.REFUSED if refused else ExitCode.OK


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


def _print_document(document: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        print_json(document)
        return
    import yaml

    typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)


_Result = tuple[str, "LoadedEnvironment | None", "tuple[Diagnostic, ...]"]


def _validated(name: str) -> _Result:
    from hxp_enterprise_llm.configuration.diagnostics import InvalidEnvironmentError
    from hxp_enterprise_llm.configuration.loader import load

    try:
        loaded = load(name)
    except InvalidEnvironmentError as error:
        return name, None, error.diagnostics
    return loaded.name, loaded, loaded.warnings


def _all_names() -> list[str]:
    from hxp_enterprise_llm.configuration.loader import environments

    return environments()


def _document(
    name: str, loaded: LoadedEnvironment | None, findings: tuple[Diagnostic, ...]
) -> dict[str, Any]:
    return {
        "environment": name,
        "valid": loaded is not None,
        "findings": [item.as_data() for item in findings],
        "waived": [item.as_data() for item in (loaded.waived if loaded else ())],
    }


def _print_results(results: list[_Result]) -> None:
    from hxp_enterprise_llm.configuration.diagnostics import counted, render

    for name, loaded, findings in results:
        if findings:
            typer.echo(render(findings), err=loaded is None)
        if loaded is not None:
            environment = loaded.environment
            parts = [
                f"{name} is valid: {counted(len(environment.hosts), 'host')}",
                counted(len(environment.models), "model"),
            ]
            if findings:
                parts.append(counted(len(findings), "warning"))
            if loaded.waived:
                parts.append(f"{len(loaded.waived)} waived")
            typer.echo(", ".join(parts))


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
