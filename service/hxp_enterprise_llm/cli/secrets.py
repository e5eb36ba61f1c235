"""`citadel secrets`: set, rotate, audit and back up secrets; values come by prompt or pipe only."""

from __future__ import annotations

import asyncio
import os
import re
import sys
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
    age_text,
    document_of,
    line_of,
    system_refusals,
    told,
    with_manager,
)
from hxp_enterprise_llm.cli.secret_rotation import due, rekey, rotate, rule
from hxp_enterprise_llm.cli.target import EnvironmentArgument, open_target
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode, RefusedError

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.secrets import Secret

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
for command in (rotate, due, rule, rekey):
    app.command()(command)


@app.command("set")
def set_(
    environment: EnvironmentArgument,
    name: NameArgument,
    given: Annotated[list[str] | None, typer.Argument(hidden=True, metavar="")] = None,
    *,
    fernet_key: Annotated[
        Path | None,
        typer.Option(help="File with Fernet keys: what comes in is a token of an older system."),
    ] = None,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Keep a secret; its value is asked for, or read from a pipe, never given as an argument.

    Examples: citadel secrets set local smtp/password · citadel secrets set local a/b < file
    """
    if given:
        error = RefusedError(
            "a value is never given as an argument, which all users of the machine can see",
            next_step="Take it out of the shell's history, and if it is in use, change it. Then "
            "type it when asked, or pipe it in: … < FILE",
        )
        error.add_note("citadel secrets set")
        raise error
    value = _value(f"Value of {name}", fernet_key)
    info = with_manager(
        environment, lambda manager, actor: manager.set(name, value, actor=actor), name
    )
    return told(info, f"{name} is set, version {info.version}", output)


@app.command()
def get(
    environment: EnvironmentArgument,
    name: NameArgument,
    *,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Print the value; on a terminal only.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option(help="Write the value to a new file of mode 0600.")
    ] = None,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Say what is known of a secret; its value only with --reveal, on a terminal.

    Examples: citadel secrets get local gateway/key · citadel secrets get local a/b --reveal
    """
    if reveal and not sys.stdout.isatty():
        raise RefusedError(
            "a secret is revealed on a terminal only",
            next_step="Write it to a file of mode 0600 with --to FILE, or use a reference to it.",
        )
    if reveal or to:
        value = with_manager(
            environment, lambda manager, actor: manager.get(name, actor=actor), name
        )
        if to:
            _write_new(to, value)
        if reveal and output is Output.JSON:
            print_json({"path": name, "value": value.reveal()})
            return ExitCode.OK
        if reveal:
            typer.echo(value.reveal())
            return ExitCode.OK
    info = with_manager(environment, lambda manager, actor: manager.info(name, actor=actor), name)
    return told(info, line_of(info), output)


@app.command("list")
def list_(
    environment: EnvironmentArgument,
    prefix: Annotated[str, typer.Argument(help="Only paths that begin so.")] = "",
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """List secrets with version, age and key; no values.

    Examples: citadel secrets list local · citadel secrets list local postgres/ --output json
    """
    found = with_manager(
        environment, lambda manager, actor: manager.list(prefix, actor=actor), prefix
    )
    closed = [info.rule.problem for info in found if info.rule.problem]
    if output is Output.JSON:
        print_json([document_of(info) for info in found])
    else:
        rows = [
            (_line(info.path), str(info.version), age_text(info), info.key_id) for info in found
        ]
        print_table(("secret", "version", "age", "key"), rows)
        print_warnings(closed)
    return ExitCode.ERROR if closed else ExitCode.OK


@app.command()
def audit(
    environment: EnvironmentArgument,
    *,
    last: Annotated[int, typer.Option(min=0, help="How many records; 0 is all.")] = 20,
    since: Annotated[
        str, typer.Option(help="NUMBER:DIGEST noted before; refused when it is not in the log.")
    ] = "",
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Check the chain of the audit log and show who read or wrote what, newest last.

    Examples: citadel secrets audit local · citadel secrets audit local --last 0 --output json
    """
    from hxp_enterprise_llm.configuration.audit import AuditLog, Head
    from hxp_enterprise_llm.configuration.secrets.references import AUDIT_FILE

    noted = re.fullmatch(r"([0-9]{1,18}):([!-~]+)", since)
    if since and not noted:
        raise RefusedError(
            "--since is not of the form NUMBER:DIGEST",
            next_step="Take the head that an earlier citadel secrets audit has shown.",
        )
    with system_refusals():
        log = AuditLog(open_target(environment).state / AUDIT_FILE)
        head = log.verify(Head(int(noted[1]), noted[2]) if noted else None)
        records = list(log.records())[-last:]
    if output is Output.JSON:
        print_json({"head": str(head), "records": [_record(item) for item in records]})
        return ExitCode.OK
    rows = [
        (
            item.at.isoformat(" ", "seconds"),
            item.event.actor,
            item.event.action,
            item.event.outcome,
            item.event.resource,
        )
        for item in records
    ]
    print_table(("time", "actor", "action", "outcome", "secret"), rows)
    typer.echo(f"the chain of {head.number} records is whole; its head is {head}")
    return ExitCode.OK


@app.command()
def doctor(
    environment: EnvironmentArgument, output: Annotated[Output, OutputOption] = Output.TEXT
) -> int:
    """Check files, keys, the audit log, references and ages; exit 1 for a fault, 2 when one is due.

    Examples: citadel secrets doctor local · citadel secrets doctor local --output json
    """
    from hxp_enterprise_llm.configuration.secrets.doctor import examine

    target = open_target(environment)
    with system_refusals():
        found = asyncio.run(examine(target.loaded, target.state))
    if output is Output.JSON:
        print_json([{"check": item.name, "state": item.state, "text": item.text} for item in found])
    else:
        print_table(("check", "state", ""), [(item.name, item.state, item.text) for item in found])
    states = {item.state for item in found}
    if "fault" in states:
        return ExitCode.ERROR
    return ExitCode.CHANGES if "due" in states else ExitCode.OK


@app.command()
def backup(
    environment: EnvironmentArgument,
    file: Annotated[Path, typer.Argument(help="A new file; mode 0600.")],
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Write all secrets to one file, sealed with a passphrase that is asked for or piped in.

    Examples: citadel secrets backup local secrets.backup
    """
    _refuse_existing(file)
    passphrase = _value("Passphrase")
    data = with_manager(environment, lambda manager, actor: manager.backup(passphrase, actor=actor))
    _write_new(file, data)
    if output is Output.JSON:
        print_json({"environment": environment, "file": str(file), "bytes": len(data)})
    else:
        typer.echo(f"{file} holds the secrets of {environment}; keep the passphrase elsewhere")
    return ExitCode.OK


@app.command()
def restore(
    environment: EnvironmentArgument,
    file: Annotated[Path, typer.Argument(help="A backup.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also over values that are different now.")
    ] = False,
    foreign: Annotated[
        bool, typer.Option("--foreign", help="Also from a backup of another environment.")
    ] = False,
    dry_run: DryRun = False,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Check a backup whole, then put its secrets back.

    Examples: citadel secrets restore local secrets.backup --dry-run
    """
    from dataclasses import asdict

    try:
        data = file.read_bytes()
    except OSError as error:
        raise CitadelError(f"backup {file}: {error.strerror}") from None
    passphrase = _value("Passphrase")
    done = with_manager(
        environment,
        lambda manager, actor: manager.restore(
            data, passphrase, actor=actor, replace=replace, foreign=foreign, dry_run=dry_run
        ),
    )
    if output is Output.JSON:
        print_json(asdict(done) | {"dry_run": dry_run})
        return ExitCode.OK
    verb = "would be" if dry_run else "were"
    of = f" {done.environment}" if done.environment else ""
    typer.echo(
        f"backup{of} of {done.made_at:%Y-%m-%d %H:%M} is whole: {len(done.new)} {verb} put back, "
        f"{len(done.other)} {verb} replaced, {len(done.same)} are the same"
    )
    print_warnings([f"could not be read: {text}" for text in done.unreadable])
    print_warnings([f"{path} is not in the backup, and is gone" for path in done.lost])
    kept = "would be kept aside" if dry_run else "is kept aside"
    print_warnings([f"{file} {kept}" for file in done.aside])
    return ExitCode.OK


def _value(prompt: str, fernet_key: Path | None = None) -> Secret:
    """Ask for a value twice without echo, or read it from a pipe."""
    from hxp_enterprise_llm.configuration.secrets import Secret

    if sys.stdin.isatty():
        text = typer.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True)
    else:
        text = _read_text().rstrip("\n")
    if not text:
        raise RefusedError(
            "there is no value", next_step="Type it when asked, or pipe it in: … < FILE"
        )
    if fernet_key is None:
        return Secret(text)
    from hxp_enterprise_llm.configuration.secrets.backends.process import Files
    from hxp_enterprise_llm.configuration.secrets.fernet import read_fernet

    return read_fernet(text, Files(Path.cwd()).read(str(fernet_key)).reveal().split())


def _read_text() -> str:
    try:
        text = sys.stdin.read()
        # Where the locale is C, what is no text comes in as halves of surrogate pairs.
        text.encode()
    except UnicodeError:
        raise RefusedError(
            "the value is no text in UTF-8", next_step="Encode it first, such as with base64."
        ) from None
    return text


def _line(path: str) -> str:
    """Return a path as one line; names of before may hold anything."""
    return path if path.isprintable() else ascii(path)


def _refuse_existing(file: Path) -> None:
    if file.exists():
        raise RefusedError(f"{file} exists already", next_step="Name a new file.")


def _write_new(file: Path, content: Secret | bytes) -> None:
    data = content if isinstance(content, bytes) else content.reveal().encode()
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        _refuse_existing(file)
        raise
    except OSError as error:
        raise CitadelError(f"{file}: {error.strerror}") from None
    with os.fdopen(handle, "wb") as opened:
        opened.write(data)


def _record(item: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {"number": item.number, "at": item.at.isoformat(), "digest": item.digest} | asdict(
        item.event
    )
