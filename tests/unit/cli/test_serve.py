"""`citadel serve` is the same as the entries on hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxp_enterprise_llm.cli.main import run
from hxp_enterprise_llm.core.exceptions import ExitCode


def test_check_validates_the_file_and_serves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("listen: {port: 8000}\nmetrics: {port: 9101}\n")
    assert run(["serve", "gateway", "--config", str(path), "--check"]) == ExitCode.OK
    path.write_text("listen: {port: 8000}\n")
    assert run(["serve", "gateway", "--config", str(path), "--check"]) == ExitCode.REFUSED
    assert "gateway.yaml:1  metrics\n  error C004: this key is missing." in capsys.readouterr().err


def test_a_gateway_without_its_key_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = tmp_path / "gateway.yaml"
    path.write_text("listen: {port: 8000}\nmetrics: {port: 9101}\n")
    assert run(["serve", "gateway", "--config", str(path)]) == ExitCode.ERROR
    assert "CREDENTIALS_DIRECTORY" in capsys.readouterr().err


def test_the_configuration_service_is_checked_and_started_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = tmp_path / "configuration.yaml"
    path.write_text("schema: 1\nenvironment: test\nsigning: signing\n")
    command = ["serve", "configuration", "--config", str(path)]
    assert run([*command, "--check"]) == ExitCode.OK
    assert run(command) == ExitCode.REFUSED
    assert "credential key is missing" in capsys.readouterr().err
    roles = "principals: [{id: ada, roles: [nobody]}]"
    path.write_text(f"schema: 1\nenvironment: test\nsigning: signing\n{roles}\n")
    assert run([*command, "--check"]) == ExitCode.REFUSED
    assert f"{path}: principal ada" in capsys.readouterr().err
    path.write_text("schema: 1\n")
    assert run([*command, "--check"]) == ExitCode.REFUSED
    assert "environment" in capsys.readouterr().err
