"""Errors in the form that was asked for: one JSON document on stdout, or text on stderr."""

from __future__ import annotations

import io
import json
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
