"""Errors in the form that was asked for: one JSON document on stdout, or text on stderr."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hxp_enterprise_llm.cli import main
from hxp_enterprise_llm.cli.console import Phases
from hxp_enterprise_llm.cli.errors import wants_json
from hxp_enterprise_llm.core.exceptions import CitadelError, RefusedError, UnreachableError

Capture = pytest.CaptureFixture[str]
Fails = Callable[[BaseException], None]
KEYS = {"code", "message", "where", "next_step", "exit_code", "findings"}


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Fails:
    """Let every command end with an error."""

    def prepare(error: BaseException) -> None:
        def command(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(main, "build", lambda _: command)

    return prepare


def document(capsys: Capture) -> dict[str, Any]:
    """Return what stands under `error`; nothing else may be on stdout, and nothing on stderr."""
    captured = capsys.readouterr()
    assert captured.err == ""
    found = json.loads(captured.out)
    assert list(found) == ["error"]
    error: dict[str, Any] = found["error"]
    assert set(error) == KEYS
    return error


@pytest.mark.parametrize(
    ("error", "code", "number"),
    [
        (CitadelError("no", next_step="go"), "citadel.error", 1),
        (RefusedError("no", next_step="go"), "citadel.refused", 3),
        (UnreachableError("no", next_step="go"), "citadel.unreachable", 4),
    ],
)
def test_an_error_is_one_document_with_its_exit_code(
    error: CitadelError, code: str, number: int, fails: Fails, capsys: Capture
) -> None:
    fails(error)
    assert main.run(["up", "local", "--output", "json"]) == number
    assert document(capsys) == {
        "code": code,
        "message": "no",
        "where": "citadel up local --output json",
        "next_step": "go",
        "exit_code": number,
        "findings": [],
    }


def test_where_names_the_phase_that_failed(fails: Fails, capsys: Capture) -> None:
    error = CitadelError("no")
    with (
        pytest.raises(CitadelError),
        Phases(["hosts"], before=0, stream=io.StringIO()).phase("hosts"),
    ):
        raise error
    fails(error)
    main.run(["up", "local", "--output=json"])
    assert document(capsys)["where"] == "phase hosts"


def test_an_environment_with_mistakes_gives_all_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("schema: 1\nprovider: {kind: local}\nhosts: {}\nfoo: 1\n")
    assert main.run(["status", "a.yaml", "--output", "json"]) == 3
    error = document(capsys)
    assert (error["code"], error["where"]) == ("configuration.document", "a.yaml:3")
    assert error["message"] == "2 errors; nothing was changed"
    assert [(item["path"], item["line"]) for item in error["findings"]] == [
        ("hosts", 3),
        ("foo", 4),
    ]
    assert all(item["fix"] for item in error["findings"])


def test_wrong_words_are_a_document_too(capsys: Capture) -> None:
    assert main.run(["up", "--output", "json"]) == 1
    error = document(capsys)
    assert error["code"] == "cli.usage"
    assert "environment" in error["message"]


def test_an_interruption_says_what_to_run_to_go_on(fails: Fails, capsys: Capture) -> None:
    fails(KeyboardInterrupt())
    assert main.run(["up", "my lab.yaml", "--output", "json"]) == 130
    error = document(capsys)
    assert (error["code"], error["exit_code"]) == ("cli.interrupted", 130)
    assert error["next_step"].endswith("again: citadel up 'my lab.yaml' --output json")


def test_a_fault_of_ours_keeps_its_traceback_and_gives_a_document(
    fails: Fails, capsys: Capture
) -> None:
    fails(ZeroDivisionError("1/0"))
    with pytest.raises(ZeroDivisionError):
        main.run(["up", "local", "--output", "json"])
    error = document(capsys)
    assert (error["code"], error["message"]) == ("citadel.unexpected", "ZeroDivisionError: 1/0")


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (errno.ENOENT, "Name what is there."),
        (errno.EACCES, "Give this account access to it, or name another."),
        (errno.EISDIR, "Name a file: this is a folder."),
        (errno.ENOSPC, "Make room there, or send it elsewhere; then run the same command again."),
        (errno.EIO, "See to it, then run the same command again."),
    ],
)
def test_a_path_that_the_system_refuses_is_no_fault_of_ours(
    number: int, step: str, fails: Fails, capsys: Capture
) -> None:
    fails(OSError(number, os.strerror(number), "/srv/a\nb.yaml"))
    assert main.run(["up", "local", "--output", "json"]) == 1
    error = document(capsys)
    assert (error["code"], error["next_step"]) == ("cli.file", step)
    assert error["message"] == f"'/srv/a\\nb.yaml': {os.strerror(number).lower()}"


def test_a_rename_that_the_system_refuses_names_both_paths(fails: Fails, capsys: Capture) -> None:
    fails(OSError(errno.EXDEV, os.strerror(errno.EXDEV), "/a", None, b"/b"))
    assert main.run(["up", "local"]) == 1
    assert capsys.readouterr().err.startswith("/a → /b: invalid cross-device link\n")


def test_an_error_of_the_system_without_a_path_stays_a_fault_of_ours(
    fails: Fails, capsys: Capture
) -> None:
    fails(OSError(errno.EBADF, "bad"))
    with pytest.raises(OSError, match="bad"):
        main.run(["up", "local", "--output", "json"])
    assert document(capsys)["code"] == "citadel.unexpected"


@pytest.mark.parametrize(
    "words", [["config", "show", "local"], ["--version"], ["config", "schema", "--output", "json"]]
)
def test_an_output_that_is_full_is_an_error_without_a_traceback(words: list[str]) -> None:
    program = "from hxp_enterprise_llm.cli.main import main; main()"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (
        "the output: no space left on device\n"
        "  Make room there, or send it elsewhere; then run the same command again.\n"
    )


@pytest.mark.parametrize(
    "words", ["validate --format text", "validate --format junit", "report local --format html"]
)
def test_two_forms_that_contradict_each_other_are_refused(words: str, capsys: Capture) -> None:
    assert main.run(["config", *words.split(), "--output", "json"]) == 1
    error = document(capsys)
    assert error["code"] == "cli.usage"
    assert "give one of the two" in error["message"]


def test_the_same_form_twice_is_fine(capsys: Capture) -> None:
    assert main.run(["config", "validate", "local", "--format", "json", "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["valid"]


def test_a_key_that_is_not_there_has_a_code_of_its_own(capsys: Capture) -> None:
    assert main.run(["config", "explain", "local", "hosts.nobody", "--output", "json"]) == 1
    assert document(capsys)["code"] == "configuration.unknown-key"


def test_text_goes_to_stderr_and_leaves_stdout_empty(fails: Fails, capsys: Capture) -> None:
    fails(UnreachableError("host llm-1 is away", next_step="run: citadel up local"))
    assert main.run(["status", "local"]) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "host llm-1 is away\n  run: citadel up local\n"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("up local --output json", True),
        ("up --output=json local", True),
        ("up local --output text", False),
        ("up json", False),
        ("ssh local data-1 -- program --output json", False),
    ],
)
def test_the_form_is_known_from_the_words_alone(words: str, wanted: bool) -> None:
    assert wants_json(words.split()) is wanted
