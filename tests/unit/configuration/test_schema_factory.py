"""Schemas have names; a factory finds them; samples follow them."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from tests.unit.configuration.documents import (
    DEPLOYMENT,
    SERVICE,
    TODAY,
    codes,
)

from hxp_enterprise_llm.configuration.json_schema import COMMENT
from hxp_enterprise_llm.configuration.schemas import (
    AIModelServiceConfigSchema,
    DeploymentConfigSchema,
    InfrastructureServiceConfigSchema,
    IntegrationServiceConfigSchema,
    MonitoringServiceConfigSchema,
    SchemaFactory,
    SchemaValidator,
    ServiceConfigSchema,
)
from hxp_enterprise_llm.core.exceptions import InvalidInputError, RegistryError


@pytest.mark.feature("CS-01", "CS-02", "CS-05")
def test_every_schema_has_its_name_and_stands_once() -> None:
    old = importlib.import_module("hxp_enterprise_llm.configuration.schemas")
    ours = importlib.import_module("hxp_enterprise_llm.schemas.services")
    for name in (
        "ServiceConfigSchema",
        "AIModelServiceConfigSchema",
        "InfrastructureServiceConfigSchema",
        "IntegrationServiceConfigSchema",
        "MonitoringServiceConfigSchema",
    ):
        assert getattr(old, name) is getattr(ours, name)
        assert issubclass(getattr(old, name), ServiceConfigSchema)
    assert "SchemaValidator" in old.__all__
    assert "DeploymentConfigSchema" in old.__all__


@pytest.mark.feature("CS-05")
def test_a_factory_makes_models_by_their_type_and_manages_schemas() -> None:
    factory = SchemaFactory()
    assert factory.names == (
        "ai_model",
        "infrastructure",
        "integration",
        "monitoring",
        "deployment",
    )
    assert factory.schema("infrastructure") is InfrastructureServiceConfigSchema
    assert factory.schema("integration") is IntegrationServiceConfigSchema
    assert factory.schema("monitoring") is MonitoringServiceConfigSchema
    assert isinstance(factory.create(yaml.safe_load(SERVICE)), AIModelServiceConfigSchema)
    assert isinstance(factory.create(yaml.safe_load(DEPLOYMENT)), DeploymentConfigSchema)

    class Special(AIModelServiceConfigSchema):
        """One more."""

    factory.register("special", Special)
    assert factory.schema("special") is Special
    assert "special" not in SchemaFactory().names
    with pytest.raises(RegistryError, match="already"):
        factory.register("special", Special)
    with pytest.raises(InvalidInputError, match="no such schema"):
        factory.json_schema("nope")
    with pytest.raises(InvalidInputError, match="does not say what it is"):
        factory.create({"service_type": "nope"})
    with pytest.raises(InvalidInputError, match="service_version"):
        factory.create({"service_type": "ai_model", "service_version": "hunter2"})


@pytest.mark.feature("CS-05")
def test_a_type_that_a_factory_does_not_know_is_told() -> None:
    only = SchemaFactory({"monitoring": MonitoringServiceConfigSchema})
    report = SchemaValidator(only, today=TODAY).data(yaml.safe_load(SERVICE))
    assert [(item.code, item.fix) for item in report.errors] == [
        ("C006", "Write one of monitoring.")
    ]
    assert str(report.errors[0].place) == "document"


@pytest.mark.feature("CS-05")
def test_json_schema_holds_the_same_keys() -> None:
    for name in SchemaFactory().names:
        schema = SchemaFactory().json_schema(name)
        assert schema["$schema"].endswith("draft/2020-12/schema")
        assert schema["additionalProperties"] is False
        fields = SchemaFactory().schema(name).model_fields
        assert set(schema["properties"]) == {field.alias or key for key, field in fields.items()}


@pytest.mark.feature("CS-01")
def test_a_configuration_cannot_be_changed() -> None:
    config = AIModelServiceConfigSchema.model_validate(yaml.safe_load(SERVICE))
    with pytest.raises(ValidationError, match="frozen"):
        config.service_name = "other"


SAMPLES = sorted((Path(__file__).parents[3] / "docs/samples").glob("*.yaml"))


@pytest.mark.feature("CS-07")
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_is_accepted_and_names_its_schema(path: Path) -> None:
    reports = {item.name: item for item in SchemaValidator(today=TODAY).files(SAMPLES)}
    report = reports[str(path)]
    expected = ["C403", "C405"] if path.stem == "mixtral-service" else []
    assert [code for code, _ in codes(report)] == expected
    schema = path.parent / "schemas" / f"{report.schema}.schema.json"
    assert path.read_text().startswith(f"# yaml-language-server: $schema=schemas/{schema.name}\n")
    written = json.loads(schema.read_text())
    assert written.pop("$comment") == COMMENT
    assert written == SchemaFactory().json_schema(report.schema or "")


@pytest.mark.feature("CS-07")
def test_there_is_a_sample_of_every_kind_and_the_documents_own_are_among_them() -> None:
    samples = {path.stem: yaml.safe_load(path.read_text()) for path in SAMPLES}
    kinds = {item.get("service_type", item.get("deployment_type")) for item in samples.values()}
    assert kinds == {
        "ai_model",
        "infrastructure",
        "integration",
        "monitoring",
        "systemd",
        "docker",
        "kubernetes",
    }
    assert samples["mixtral-service"] == yaml.safe_load(SERVICE)
    assert samples["mixtral-deployment"] == yaml.safe_load(DEPLOYMENT)
