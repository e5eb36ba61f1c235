"""The one place that runs a command to its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hxp_enterprise_llm.core.exceptions import FaultDomain
from hxp_enterprise_llm.utilities.process import CommandError, own, run

pytestmark = pytest.mark.feature("UT-11")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_command_gets_input_environment_and_folder(tmp_path: Path) -> None:
    code = "import os, sys; print(sys.stdin.read(), os.environ['A'], os.getcwd())"
    done = run(python(code), env={"A": "b"}, cwd=tmp_path, stdin="in")
    assert done.stdout == f"in b {tmp_path}\n"


def test_a_command_that_fails_keeps_its_status_output_and_the_next_step() -> None:
    code = "import sys; print('why'); sys.exit('because')"
    with pytest.raises(CommandError) as caught:
        run(python(code), next_step="Look.")
    error = caught.value
    assert (error.status, error.code, error.domain) == (1, "command.failed", FaultDomain.HOST)
    assert error.command == tuple(python(code))
    assert "why\nbecause" in error.output
    assert str(error).endswith("\n  Look.")
    assert run(python(code), check=False).returncode == 1


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(CommandError, match="no-such-program") as caught:
        run(["no-such-program"])
    assert caught.value.status == 127


def test_a_command_that_takes_too_long_is_killed() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run(python("import time; time.sleep(600)"), timeout=0.2)


def test_our_own_programs_are_those_of_this_environment() -> None:
    assert own("ruff") == str(Path(sys.executable).parent / "ruff")
