"""The command line: fast help, exit codes that are a contract, no tracebacks."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

import pytest

from hxp_enterprise_llm.cli import main
from hxp_enterprise_llm.core.exceptions import ExitCode, RefusedError, UnreachableError


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--help"]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert all(f"  {noun} " in shown for noun in main.NOUNS)


def test_help_imports_no_command_and_no_heavy_library() -> None:
    script = (
        "import sys; from hxp_enterprise_llm.cli import main; main.run(['--help']);"
        "print([m for m in ('pydantic', 'rich', 'yaml', 'pulumi', 'ansible') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", list(main.NOUNS))
def test_every_command_exists_and_has_help_with_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module, _, attribute = main.NOUNS[name].target.partition(":")
    assert hasattr(import_module(f"hxp_enterprise_llm.cli.{module}"), attribute)
    assert main.run([name, "--help"]) == ExitCode.OK
    assert "citadel" in capsys.readouterr().out


def test_the_version_is_the_distribution_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out == "citadel 3.0.0\n"


def test_an_unknown_command_is_an_error_with_advice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["upp"]) == ExitCode.ERROR
    assert "upp" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RefusedError("no", next_step="write yes"), ExitCode.REFUSED),
        (UnreachableError("away", next_step="go there"), ExitCode.UNREACHABLE),
        (KeyboardInterrupt(), 130),
    ],
)
def test_expected_errors_become_exit_codes_and_next_steps(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(main, "build", lambda _: fail)
    assert main.run(["up", "local"]) == code
    shown = capsys.readouterr().err
    assert getattr(error, "next_step", "run the same command again: citadel up local") in shown
    assert "Traceback" not in shown


def test_a_reader_that_goes_away_ends_the_command_without_a_traceback() -> None:
    script = "from hxp_enterprise_llm.cli.main import main; main()"
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as gone:
        done = subprocess.run(
            [sys.executable, "-c", script, "config", "schema"],
            stdout=gone, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (ExitCode.ERROR, "")


def test_sigterm_ends_a_command_as_ctrl_c_does() -> None:
    script = (
        "import signal; from hxp_enterprise_llm.cli import main;"
        "main.build = lambda _: lambda **_: signal.raise_signal(signal.SIGTERM); main.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "up", "local"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == (
        "interrupted\n  To go on, run the same command again: citadel up local\n"
    )
