"""The validator: every parameter, within the documents' time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.configuration.parameters import PARAMETERS, named, wrong_at

from hxp_enterprise_llm.configuration.rules import REGISTRY
from hxp_enterprise_llm.configuration.rules.categories import Category
from hxp_enterprise_llm.configuration.sources.secrets import secret_paths
from hxp_enterprise_llm.configuration.validation import ConfigurationValidator
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.infrastructure_services import Configuration
from hxp_enterprise_llm.schemas.performance_targets import ConfigurationTargets
from hxp_enterprise_llm.schemas.provider import LocalProvider, SshProvider


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
