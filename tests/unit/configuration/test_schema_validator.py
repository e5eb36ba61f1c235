"""Every mistake of a file of services and deployments is told at once."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml
from tests.unit.configuration.documents import (
    DEPLOYMENT,
    SERVICE,
    TODAY,
    Write,
    changed,
    codes,
    judged,
)

from hxp_enterprise_llm.configuration.diagnostics import InvalidDocumentError
from hxp_enterprise_llm.configuration.rules import every_rule
from hxp_enterprise_llm.configuration.schemas import (
    AIModelServiceConfigSchema,
    SchemaFactory,
    SchemaValidator,
)
from hxp_enterprise_llm.schemas.base import CitadelModel


@pytest.mark.feature("CS-05")
def test_a_waiver_excepts_a_warning_and_needs_its_reason() -> None:
    waiver = {"rule": "C405", "path": "network.host", "until": "2027-01-31"}
    reason = {"reason": "a lab without a way in"}
    report = judged(SERVICE, {"waivers": [waiver | reason]})
    assert [item.code for item in report.waived] == ["C405"]
    assert [code for code, _ in codes(report)] == ["C403"]
    assert ("C004", "waivers.0.reason") in codes(judged(SERVICE, {"waivers": [waiver]}))
    late = waiver | reason | {"until": "2026-01-31"}
    assert ("C902", "waivers.0.until") in codes(judged(SERVICE, {"waivers": [late]}))


@pytest.mark.feature("CS-05")
def test_all_mistakes_are_told_at_once_with_line_and_cure(write: Write) -> None:
    wrong = SERVICE.replace("8192", '"much"').replace("ssl_enabled: true", "ssl_enabled: false")
    wrong = wrong.replace("production", "hunter2 hunter2").replace("port: 8000", "prt: 8000")
    report = SchemaValidator(today=TODAY).file(write("wrong.yaml", wrong))
    assert not report.ok
    assert [(item.place.line, item.code) for item in report.errors] == [
        (4, "C006"),
        (7, "C006"),
        (15, "C401"),
        (17, "C004"),
        (19, "C003"),
    ]
    assert report.errors[-1].fix == "Did you mean port?"
    with pytest.raises(InvalidDocumentError) as error:
        report.accepted()
    text = str(error.value)
    assert "hunter2" not in text
    assert "wrong.yaml:7  resources.memory_mb" in text
    assert "5 errors; nothing was changed." in text


@pytest.mark.feature("CS-05")
def test_rules_judge_what_is_left_of_a_document_with_refused_keys() -> None:
    bare = {"resources": None, "service_name": None, "environment": None, "service_version": None}
    report = judged(SERVICE, bare | {"security.ssl_enabled": False})
    assert sorted(codes(report)) == [
        ("C004", "environment"),
        ("C004", "resources"),
        ("C004", "service_name"),
        ("C004", "service_version"),
        ("C401", "security.ssl_enabled"),
        ("C404", "model.parameters_billion"),
        ("C405", "network.host"),
    ]
    deployment = judged(DEPLOYMENT, {"resource_limits": None, "services": None, "docker": {}})
    assert sorted(codes(deployment)) == [
        ("C004", "resource_limits"),
        ("C004", "services"),
        ("C413", "docker"),
    ]


@pytest.mark.feature("CS-05")
def test_no_rule_judges_what_cannot_be_completed() -> None:
    class Strange(AIModelServiceConfigSchema):
        """Wants a key that nothing can stand in for."""

        shape: tuple[int, int]

    strange = SchemaFactory({"ai_model": Strange})
    document = changed(SERVICE, {"security.ssl_enabled": False})
    report = SchemaValidator(strange, today=TODAY).data(document)
    assert codes(report) == [("C004", "shape")]


@pytest.mark.feature("CS-05")
def test_a_schema_of_another_kind_is_checked_without_rules() -> None:
    class Other(CitadelModel):
        """Neither a service nor a deployment."""

        service_type: str
        size: int

    other = SchemaValidator(SchemaFactory({"other": Other}), today=TODAY)
    assert other.data({"service_type": "other", "size": 1}).found == ()
    assert codes(other.data({"service_type": "other", "size": "x"})) == [("C006", "size")]


@pytest.mark.feature("CS-05")
@pytest.mark.parametrize("ending", ["json", "toml", "ini"])
def test_files_of_every_form_are_checked(write: Write, ending: str) -> None:
    forms = {
        "json": json.dumps(yaml.safe_load(SERVICE)),
        "toml": """
            service_name = "mixtral-service"
            service_version = "1.0.0"
            service_type = "ai_model"
            environment = "production"
            [resources]
            memory_mb = 8192
            cpu_cores = 4.0
            """,
        "ini": """
            service_name = mixtral-service
            service_version = 1.0.0
            service_type = ai_model
            environment = production
            [resources]
            memory_mb = 8192
            cpu_cores = 4.0
            """,
    }
    report = SchemaValidator(today=TODAY).file(write(f"mixtral.{ending}", forms[ending]))
    assert report.errors == ()
    assert report.schema == "ai_model"


@pytest.mark.feature("CS-05")
def test_a_file_may_extend_another(write: Write) -> None:
    write("base.yaml", SERVICE)
    path = write("mine.yaml", "extends: base\nresources: {gpu_memory_gb: 160}\n")
    report = SchemaValidator(today=TODAY).file(path)
    assert [code for code, _ in codes(report)] == ["C405"]


@pytest.mark.feature("CS-05")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [("C001", "")]),
        ("a: [", [("C001", "")]),
        ("service_name: x\nservice_name: y\n", None),
        ("service_type: 7\n", None),
        ("- a\n", None),
    ],
)
def test_what_is_no_document_is_told(
    write: Write, text: str, found: list[tuple[str, str]] | None
) -> None:
    report = SchemaValidator(today=TODAY).file(write("bad.yaml", text))
    assert not report.ok
    assert report.schema is None
    assert report.errors
    if found is not None:
        assert codes(report) == found


@pytest.mark.feature("CS-05")
def test_a_missing_file_is_told(tmp_path: Path) -> None:
    (error,) = SchemaValidator(today=TODAY).file(tmp_path / "none.yaml").errors
    assert error.code == "C001"


@pytest.mark.feature("CS-05")
def test_a_thousand_services_in_half_a_second(write: Write) -> None:
    entry = "  - {service_name: service-%d, service_version: 1.0.0}"
    services = "services:\n" + "\n".join(entry % number for number in range(1000))
    head, _, rest = DEPLOYMENT.partition("services:\n")
    limits = rest[rest.index("resource_limits") :]
    path = write("many.yaml", f"{head}{services}\n{limits}")
    validator = SchemaValidator(today=TODAY, clock=time.process_time)
    validator.file(write("small.yaml", SERVICE))
    report = validator.file(path)
    assert report.ok
    assert 0 < report.seconds < 0.5


def test_every_rule_of_services_and_deployments_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/rules.md").read_text()
    ids = [identity for identity in every_rule() if identity.startswith("C4")]
    assert sorted(ids) == [f"C{number}" for number in (*range(401, 408), *range(410, 414))]
    assert all(f"## {identity}\n" in page for identity in ids)
