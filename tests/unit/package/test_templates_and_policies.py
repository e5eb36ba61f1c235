"""Of what the documents wish for the future: templates, governance by policy, other clouds.

What is learned from measured series is a line of least squares, and the value that would do: the
tests of the report on configuration.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from hxp_enterprise_llm.cli import skeleton
from hxp_enterprise_llm.configuration.schema_validator import SchemaValidator
from hxp_enterprise_llm.configuration.secrets.references import REMOTE
from hxp_enterprise_llm.configuration.security.compliance import Facts, Outcome, assess
from hxp_enterprise_llm.configuration.security.policies import POLICIES
from hxp_enterprise_llm.core.exceptions import RefusedError
from hxp_enterprise_llm.schemas.reference import SCHEMES
from hxp_enterprise_llm.schemas.security import SecurityLevel
from hxp_enterprise_llm.testing.factories import environment
from hxp_enterprise_llm.testing.matchers import finding, refused

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SERVICE: dict[str, Any] = yaml.safe_load((ROOT / "docs/samples/ai-model.yaml").read_text())


@pytest.mark.feature("CU-05")
@pytest.mark.parametrize("make", [skeleton.service, skeleton.role])
def test_a_service_and_a_role_are_generated_from_templates(make: Any) -> None:
    made = make(ROOT, "rate-cards")
    assert any(path.startswith("tests/unit/") for path in made.files)
    for path, content in made.files.items():
        assert "$name" not in path + content
        assert "$module" not in path + content
    assert "rate_cards" in "".join(made.files)
    assert not any((ROOT / path).exists() for path in made.files)


@pytest.mark.feature("CU-05")
@pytest.mark.parametrize("name", ["Lab", "a_b", "-x", "x" * 23, "../x"])
def test_a_name_that_no_environment_can_have_is_refused(name: str) -> None:
    with refused(RefusedError, "is no name"):
        skeleton.environment(ROOT, name, "local")


@pytest.mark.feature("CU-05")
def test_a_template_never_replaces_what_is_there() -> None:
    with refused(RefusedError, "gateway"):
        skeleton.role(ROOT, "gateway")


@pytest.mark.feature("CU-05")
@pytest.mark.parametrize("switch", ["encryption_enabled", "ssl_enabled"])
def test_a_configuration_against_the_policy_of_its_level_is_refused(switch: str) -> None:
    security = SERVICE["security"] | {"security_level": "high", switch: False}
    report = SchemaValidator().data(SERVICE | {"security": security})
    assert not report.ok
    assert finding(report.errors, "C401", path=f"security.{switch}").fix


@pytest.mark.feature("CU-05")
def test_a_policy_is_judged_by_what_is_there_and_unseen_is_not_compliant() -> None:
    report = assess(POLICIES[SecurityLevel.HIGH], Facts(key_sizes=(16,)), NOW)
    assert not report.compliant
    failed = [one for one in report.findings if one.outcome is Outcome.FAIL]
    assert [one.next_step for one in failed if one.next_step] != []
    unseen = assess(POLICIES[SecurityLevel.HIGH], Facts(), NOW)
    assert not unseen.compliant
    assert {one.outcome for one in unseen.findings}.isdisjoint({Outcome.FAIL})


@pytest.mark.feature("CU-05")
def test_secrets_of_several_clouds_are_reached_by_adapters_of_one_form() -> None:
    # What they read is tested against the vendors' own servers in tests/secrets.
    assert set(REMOTE) == {"vault", "aws", "kubernetes"} <= set(SCHEMES)
    for words in (
        "aws:citadel/db#password",
        "kubernetes:citadel/db#password",
        "vault:kv/citadel/db#password",
    ):
        store = environment(integration_services={"database": {"password": words}})
        assert store.integration_services.database.password == words


@pytest.mark.feature("CU-05")
@pytest.mark.parametrize(
    ("backend", "provider"),
    [
        ("s3://citadel-state?region=eu-central-1", "awskms://alias/citadel?region=eu-central-1"),
        ("azblob://citadel-state", "azurekeyvault://vault.example/keys/citadel"),
        ("gs://citadel-state", "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k"),
    ],
)
def test_state_is_kept_in_any_of_several_clouds(backend: str, provider: str) -> None:
    kept = environment(state={"backend": backend, "secrets_provider": provider}).state
    assert (kept.backend, kept.secrets_provider) == (backend, provider)
