"""The validator: every parameter, within the documents' time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from hxp_enterprise_llm.configuration.effects import leaves
from hxp_enterprise_llm.configuration.rules import REGISTRY
from hxp_enterprise_llm.configuration.rules.categories import Category
from hxp_enterprise_llm.configuration.sources.secrets import secret_paths
from hxp_enterprise_llm.configuration.validation import ConfigurationValidator
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.infrastructure_services import Configuration
from hxp_enterprise_llm.schemas.performance_targets import ConfigurationTargets
from hxp_enterprise_llm.schemas.provider import LocalProvider, SshProvider

# Names in maps whose keys are names, and the keys of provider ssh.
NAMES = {"hosts": "llm-1", "models": "small"}
SSH = {"user", "port", "identity_file", "bastion"}
WRONG = {"not": ["a", "value", "of", "any", "key"]}
PARAMETERS = sorted({path for path, _ in leaves(Environment)}, key=str)


def named(path: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a path with a name, or a place, for each `*`."""
    return tuple(
        NAMES.get(str(path[index - 1]), 0) if key == "*" else key for index, key in enumerate(path)
    )


def wrong_at(path: tuple[Any, ...]) -> dict[str, Any]:
    """Return a document whose value under a path is of no type that any key has."""
    document: dict[str, Any] = {
        "schema": 1,
        "provider": {"kind": "ssh" if path[0] == "provider" and path[1] in SSH else "local"},
        "hosts": {"llm-1": {"roles": ["vllm"], "memory": "8GiB"}},
    }
    if path[0] == "waivers":
        return document | {"waivers": [{path[-1]: WRONG}]}
    at: Any = document
    for key, following in pairwise(path):
        if isinstance(at, list):
            at.append({})
        else:
            at.setdefault(key, [] if following == 0 else {})
        at = at[key]
    at[path[-1]] = WRONG
    return document


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
    names = [verdict.name for verdict in ConfigurationValidator().validate_all()]
    assert {"local", "onprem"} <= set(names)


def test_what_is_not_there_is_a_verdict_and_no_exception() -> None:
    verdict = ConfigurationValidator().validate("locla")
    assert (verdict.valid, verdict.order, verdict.waived) == (False, (), ())
    assert verdict.findings[0].code == "C001"
    assert "local" in verdict.findings[0].fix


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
