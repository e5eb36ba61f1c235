"""Entry point: loads only the module of the command that was asked for."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.exceptions import TyperException

from hxp_enterprise_llm import __version__
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode


class Noun(NamedTuple):
    """A command of the first level: where its code is, and its line in the overview."""

    target: str
    help: str


NOUNS: dict[str, Noun] = {
    "up": Noun("up:up", "Make an environment what its file says, and ask its model."),
    "plan": Noun("plan:plan", "Say what up would change, without doing it."),
    "verify": Noun("verify:verify", "Check every endpoint, unit and series of an environment."),
    "status": Noun("status:status", "Show hosts, units and endpoints."),
    "logs": Noun("logs:logs", "Show the journal of a service."),
    "ssh": Noun("ssh:ssh", "Open a shell on a host, or run a command there."),
    "env": Noun("env:env", "Print shell exports for pulumi and OpenAI clients."),
    "destroy": Noun("destroy:destroy", "Remove an environment with its data."),
    "config": Noun("config:app", "Validate, show and explain environment files."),
    "secrets": Noun("secrets:app", "Set, rotate, audit and back up secrets."),
    "artifacts": Noun("artifacts:app", "Fetch, list, verify and clean up wheels and models."),
    "hosts": Noun("hosts:app", "Make, list and remove hosts only (the Pulumi half)."),
    "toolchain": Noun("toolchain:toolchain", "Find or make the Pulumi engine."),
    "new": Noun("new:app", "Write a working, tested skeleton of a service or a role."),
    "serve": Noun("serve:app", "Run a service of ours in the foreground."),
}

# Typer returns this where a command met Ctrl-C.
_TYPER_INTERRUPTED = 130

EPILOG = """Examples:

citadel up local · citadel verify local · citadel config explain local hosts.llm-1.memory

citadel logs local vllm --follow · citadel ssh local data-1 · eval "$(citadel env local)"
"""


def main() -> None:
    """Run the command line; ends the process with a code of `ExitCode`."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; expected errors are printed, never raised.

    Args:
        arguments: The words after `citadel`.
    """
    try:
        result = build(arguments)(args=list(arguments), prog_name="citadel", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return ExitCode.ERROR
    except (CitadelError, TyperException, typer.Abort, KeyboardInterrupt) as error:
        return _fail(error, arguments)
    except OSError as error:
        return _refused_file(error, arguments)
    except Exception as error:
        # The traceback follows; a program gets its document before it.
        _fail(error, arguments)
        raise
    if result == _TYPER_INTERRUPTED:
        return _fail(KeyboardInterrupt(), arguments)
    return result if isinstance(result, int) else ExitCode.OK


def _refused_file(error: OSError, arguments: Sequence[str]) -> int:
    """Tell of a path that the system refused; another error of the system is a fault of ours."""
    from hxp_enterprise_llm.cli.errors import fail, file_error

    told = file_error(error)
    if told is None:
        _fail(error, arguments)
        raise error
    if error.filename is not None:
        return int(fail(told, arguments))
    _drop_output()
    sys.stderr.write(f"{told}\n")
    return int(told.exit_code)


def _drop_output() -> None:
    # What is still buffered has nowhere to go, and would fail again at the end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def build(arguments: Sequence[str]) -> typer.Typer:
    """Return the application with the asked-for command loaded and the others by name only."""
    app = typer.Typer(
        no_args_is_help=True,
        invoke_without_command=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        epilog=EPILOG,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    asked = next((word for word in arguments if not word.startswith("-")), None)
    for name, noun in NOUNS.items():
        if name == asked:
            _add(app, name, noun)
        else:
            app.command(name, help=noun.help)(_nothing)
    return app


def _add(app: typer.Typer, name: str, noun: Noun) -> None:
    module, _, attribute = noun.target.partition(":")
    target: Any = getattr(import_module(f"{__package__}.{module}"), attribute)
    if isinstance(target, typer.Typer):
        app.add_typer(target, name=name, help=noun.help)
    else:
        command: Callable[..., Any] = target
        app.command(name)(command)


def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True)
    ] = False,
) -> None:
    """Citadel: self-hosted LLM serving from one validated file."""
    if version:
        typer.echo(f"citadel {__version__}")
        raise typer.Exit


def _nothing() -> None:
    """Stand in for a command that was not asked for; only its name and help are used."""


def _fail(error: BaseException, arguments: Sequence[str]) -> int:
    from hxp_enterprise_llm.cli.errors import fail

    return int(fail(error, arguments))
