"""The validator: every parameter, within the documents' time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.configuration.parameters import PARAMETERS, named, wrong_at

from hxp_enterprise_llm.configuration.rules import REGISTRY
from hxp_enterprise_llm.configuration.rules.categories import Category
from hxp_enterprise_llm.configuration.sources.secrets import secret_paths
from hxp_enterprise_llm.configuration.validation import ConfigurationValidator
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.infrastructure_services import Configuration
from hxp_enterprise_llm.schemas.performance_targets import ConfigurationTargets
from hxp_enterprise_llm.schemas.provider import LocalProvider, SshProvider
from hxp_enterprise_llm.testing.factories import environment


@pytest.mark.feature("CV-01")
@pytest.mark.parametrize("path", PARAMETERS, ids=lambda path: ".".join(map(str, path)))
def test_every_parameter_is_validated(path: tuple[Any, ...], tmp_path: Path) -> None:
    names = named(path)
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(wrong_at(names)))
    verdict = ConfigurationValidator().validate(str(file))
    assert any(item.path[: len(names)] == names for item in verdict.findings), verdict.findings


@pytest.mark.feature("CV-01")
def test_validation_takes_less_than_the_documents_half_second_and_cannot_be_turned_off() -> None:
    assert ConfigurationTargets().validation_time == 0.5
    assert Configuration().validation_enabled is True
    (verdict,) = ConfigurationValidator().validate_all(["onprem"])
    assert verdict.valid
    assert 0 < verdict.seconds < 0.5


def test_all_environments_are_validated_when_none_is_named() -> None:
    verdicts = ConfigurationValidator().validate_all()
    # base.yaml is there to be extended only.
    assert [(verdict.name, verdict.valid) for verdict in verdicts] == [
        ("local", True),
        ("onprem", True),
    ]


def test_what_is_not_there_is_a_verdict_and_no_exception() -> None:
    verdict = ConfigurationValidator().validate("locla")
    assert (verdict.valid, verdict.order, verdict.waived) == (False, (), ())
    (finding,) = verdict.findings
    assert (finding.code, finding.severity) == ("C001", "error")
    assert "Did you mean local?" in finding.fix


@pytest.mark.feature("CV-01", "CV-02", "CV-03")
def test_every_rule_belongs_to_one_category() -> None:
    by_category = [ConfigurationValidator.rules(category) for category in Category]
    assert all(by_category)
    assert sorted(rule.id for rules in by_category for rule in rules) == sorted(REGISTRY)
    assert [rule.id for rule in ConfigurationValidator.rules()] == sorted(REGISTRY)


@pytest.mark.feature("CS-06")
@pytest.mark.parametrize("path", list(secret_paths(Environment)), ids=".".join)
def test_a_key_of_a_secret_takes_a_reference_and_no_value(
    path: tuple[str, ...], tmp_path: Path
) -> None:
    found = {}
    for value in ("canary-value", "env:NAME"):
        document = wrong_at(path)
        at = document
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        file = tmp_path / "a.yaml"
        file.write_text(yaml.safe_dump(document))
        verdict = ConfigurationValidator().validate(str(file))
        found[value] = [item for item in verdict.findings if item.path == path]
    assert [item.code for item in found["canary-value"]] == ["C006"]
    assert "canary" not in str(found["canary-value"][0])
    assert not [item for item in found["env:NAME"] if item.code == "C006"]


@pytest.mark.feature("CS-06")
def test_environments_have_models_of_their_own_kind() -> None:
    local, onprem = ConfigurationValidator().validate_all(["local", "onprem"])
    assert local.loaded is not None
    assert onprem.loaded is not None
    assert isinstance(local.loaded.environment.provider, LocalProvider)
    assert isinstance(onprem.loaded.environment.provider, SshProvider)


SAMPLES = checkout() / "docs/samples"
MIXTRAL = [str(SAMPLES / f"mixtral-{name}.yaml") for name in ("service", "deployment")]


@pytest.mark.feature("CS-01", "CV-01")
def test_services_and_deployments_are_validated_by_their_own_schemas() -> None:
    service, deployment, local = ConfigurationValidator().validate_all([*MIXTRAL, "local"])
    assert [verdict.valid for verdict in (service, deployment, local)] == [True, True, True]
    assert [item.code for item in service.findings] == ["C403", "C405"]
    assert (service.as_data()["schema"], deployment.as_data()["schema"]) == (
        "ai_model",
        "deployment",
    )
    assert "schema" not in local.as_data()
    assert service.order == ()


@pytest.mark.feature("A34")
def test_all_replicas_are_held_against_the_hosts_of_an_environment_that_is_given() -> None:
    against = environment()
    (verdict,) = ConfigurationValidator(against=against).validate_all([MIXTRAL[1]])
    assert [item.code for item in verdict.findings] == ["C410"]
    assert not verdict.valid


def test_a_deployment_is_held_against_the_services_beside_it(tmp_path: Path) -> None:
    document = yaml.safe_load(Path(MIXTRAL[1]).read_text())
    document["services"][0]["service_version"] = "2.0.0"
    file = tmp_path / "deployment.json"
    file.write_text(json.dumps(document))
    _, verdict = ConfigurationValidator().validate_all([MIXTRAL[0], str(file)])
    assert [item.code for item in verdict.findings] == ["C412"]
    # The same file twice is one file.
    twice = ConfigurationValidator().validate_all([str(file), str(file)])
    assert [one.valid for one in twice] == [True, True]


def test_a_waiver_of_a_service_is_found_for_what_it_waives(tmp_path: Path) -> None:
    waiver = {
        "rule": "C405",
        "path": "network",
        "reason": "a lab of its own",
        "until": "2090-01-31",
    }
    document = yaml.safe_load(Path(MIXTRAL[0]).read_text()) | {"waivers": [waiver]}
    file = tmp_path / "service.yaml"
    file.write_text(yaml.safe_dump(document))
    verdict = ConfigurationValidator().validate(str(file))
    (waived,) = verdict.waived
    found = verdict.waiver_of(waived)
    assert found is not None
    assert found.reason == "a lab of its own"
