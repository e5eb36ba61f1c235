from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hxp_enterprise_llm.cli.config import ReportFormat
from hxp_enterprise_llm.cli.main import run
from hxp_enterprise_llm.configuration.formats import Format
from hxp_enterprise_llm.orchestration.paths import checkout

GOOD = """\
schema: 1
provider: {kind: local}
hosts:
  llm-1: {roles: [vllm, gateway], memory: 8GiB}
"""
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        (tmp_path / "a.yaml").write_text(text)
        return "a.yaml"

    return write


def test_validate_says_what_is_valid_and_ends_with_0(
    file: Callable[[str], str], capsys: Capture
) -> None:
    assert run(["config", "validate", file(GOOD)]) == 0
    assert capsys.readouterr().out == "a is valid: 1 host, 0 models\n"


def test_validate_prints_all_errors_and_ends_with_3(
    file: Callable[[str], str], capsys: Capture
) -> None:
    assert run(["config", "validate", file(GOOD + "a: 1\nb: 2\n")]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "a.yaml:5  a\n  error C003: unknown key." in captured.err
    assert captured.err.endswith("2 errors; nothing was changed.\n")


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit"])
def test_validate_of_what_is_no_configuration_repeats_no_secret(
    form: str, file: Callable[[str], str], capsys: Capture
) -> None:
    line = "root:$6$pepper$hunter2hash:19000:0:99999"
    assert run(["config", "validate", file(f"{GOOD}{line}: 1\n"), "--format", form]) == 3
    captured = capsys.readouterr()
    assert "pepper" not in captured.out + captured.err
    assert "root…" in captured.out + captured.err or "root\\u2026" in captured.out


def test_validate_of_several_checks_each_and_fails_for_one(
    file: Callable[[str], str], capsys: Capture
) -> None:
    name = file(GOOD)
    assert run(["config", "validate", name, "none.yaml", "--output", "json"]) == 3
    results = json.loads(capsys.readouterr().out)
    assert [(item["environment"], item["valid"]) for item in results] == [
        ("a", True),
        ("none.yaml", False),
    ]
    assert results[1]["findings"][0]["code"] == "C001"
    assert results[1]["findings"][0]["line"] == 1


def test_validate_without_a_name_checks_all_environments(capsys: Capture) -> None:
    assert run(["config", "validate"]) == 0
    out = capsys.readouterr().out
    assert "local is valid" in out
    assert "onprem is valid" in out


def test_show_prints_the_whole_document_and_no_secret(capsys: Capture) -> None:
    assert run(["config", "show", "local"]) == 0
    document = yaml.safe_load(capsys.readouterr().out)
    assert document["integration_services"]["database"]["password"].startswith("generated:")
    assert document["integration_services"]["metrics"]["prometheus_port"] == 9090
    assert run(["config", "show", "local", "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == document


def test_explain_prints_value_source_and_meaning(
    file: Callable[[str], str], capsys: Capture
) -> None:
    assert run(["config", "explain", file(GOOD), "hosts.llm-1.memory"]) == 0
    assert capsys.readouterr().out == (
        "hosts.llm-1.memory = 8 GiB (8589934592 bytes)\n"
        "  from      a.yaml:4\n"
        "  means     Memory, such as 8GiB; local: the container's limit.\n"
    )


def test_explain_of_an_unknown_key_ends_with_1(file: Callable[[str], str], capsys: Capture) -> None:
    assert run(["config", "explain", file(GOOD), "hosts.llm-2"]) == 1
    assert "Did you mean llm-1?" in capsys.readouterr().err


def test_explain_prints_json(file: Callable[[str], str], capsys: Capture) -> None:
    path = "infrastructure_services.api_gateway.timeout"
    assert run(["config", "explain", file(GOOD), path, "--output", "json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)
    assert (item["value"], item["source"], item["unit"]) == (300.0, "default", "seconds")


def test_schema_prints_the_committed_schema(capsys: Capture) -> None:
    assert run(["config", "schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["properties"]["extends"]["type"] == "string"


def test_schema_as_text_is_the_same_document_as_yaml(capsys: Capture) -> None:
    run(["config", "schema"])
    printed = json.loads(capsys.readouterr().out)
    assert run(["config", "schema", "--output", "text"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == printed


def test_validate_tells_warnings_and_still_ends_with_0(
    file: Callable[[str], str], capsys: Capture
) -> None:
    model = f"{{source: 'pypi:m==1', sha256: {'0' * 64!r}, engine: {{kv_cache_memory_bytes: 1G}}}}"
    assert run(["config", "validate", file(f"{GOOD}models: {{m: {model}}}\n")]) == 0
    out = capsys.readouterr().out
    assert "\n  warning C212: " in out
    assert out.splitlines()[-1] == "a is valid: 1 host, 1 model, 1 warning"


@pytest.mark.feature("CV-03")
def test_validate_prints_the_form_that_is_asked_for(
    file: Callable[[str], str], capsys: Capture
) -> None:
    name = file(GOOD + "a: 1\n")
    shown = {}
    for form in ("sarif", "junit", "json", "text"):
        assert run(["config", "validate", name, "--format", form]) == 3
        shown[form] = capsys.readouterr()
    assert json.loads(shown["sarif"].out)["runs"][0]["results"][0]["ruleId"] == "C003"
    assert '<failure message="unknown key." type="C003">' in shown["junit"].out
    assert json.loads(shown["json"].out)[0]["valid"] is False
    assert "error C003" in shown["text"].err
    assert run(["config", "validate", name, "--output", "json"]) == 3
    assert capsys.readouterr().out == shown["json"].out


def test_the_forms_of_a_report_are_those_of_the_library() -> None:
    assert [form.value for form in ReportFormat] == [form.value for form in Format]


SAMPLES = checkout() / "docs/samples"


@pytest.mark.feature("A34", "A35")
def test_validate_checks_files_of_services_and_deployments(
    file: Callable[[str], str], capsys: Capture
) -> None:
    service, deployment = (
        str(SAMPLES / f"mixtral-{name}.yaml") for name in ("service", "deployment")
    )
    assert run(["config", "validate", service, deployment]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  warning C403: " in "\n".join(lines)
    assert lines[-2:] == [
        f"{service} is valid: ai_model, 2 warnings",
        f"{deployment} is valid: deployment",
    ]
    small = file(GOOD)
    assert run(["config", "validate", deployment, "--for", small]) == 3
    assert "error C410: 3 replicas take 48 GiB, 24 cores, 3 GPUs" in capsys.readouterr().err
    assert run(["config", "validate", service, "--for", "none.yaml"]) == 3
    assert "C001" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["sarif", "junit", "json"])
def test_every_form_of_a_report_takes_services(form: str, capsys: Capture) -> None:
    service = str(SAMPLES / "mixtral-service.yaml")
    assert run(["config", "validate", "local", service, "--format", form]) == 0
    out = capsys.readouterr().out
    for code in ("C403", "C405"):
        assert code in out
