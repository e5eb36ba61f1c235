"""Files of services and deployments: the documents' examples, and every mistake at once."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from hxp_enterprise_llm.configuration.diagnostics import InvalidDocumentError
from hxp_enterprise_llm.configuration.json_schema import COMMENT
from hxp_enterprise_llm.configuration.rules import every_rule
from hxp_enterprise_llm.configuration.rules.deployments import room_for
from hxp_enterprise_llm.configuration.schemas import (
    AIModelServiceConfigSchema,
    DeploymentConfigSchema,
    InfrastructureServiceConfigSchema,
    IntegrationServiceConfigSchema,
    MonitoringServiceConfigSchema,
    Report,
    SchemaFactory,
    SchemaValidator,
    ServiceConfigSchema,
)
from hxp_enterprise_llm.core.exceptions import InvalidInputError, RegistryError
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.hosts import Host
from hxp_enterprise_llm.testing.factories import environment

TODAY = date(2026, 11, 21)
# Seed 4, "Configuration Examples", word for word.
SERVICE = """\
service_name: "mixtral-service"
service_version: "1.0.0"
service_type: "ai_model"
environment: "production"

resources:
  memory_mb: 8192
  cpu_cores: 4.0
  gpu_enabled: true
  gpu_memory_gb: 24

security:
  security_level: "high"
  encryption_enabled: true
  ssl_enabled: true

network:
  host: "0.0.0.0"
  port: 8000
"""
DEPLOYMENT = """\
deployment_name: "mixtral-deployment"
deployment_type: "kubernetes"
environment: "production"

services:
  - service_name: "mixtral-service"
    service_version: "1.0.0"
    replicas: 3

resource_limits:
  memory_mb: 16384
  cpu_cores: 8.0
  gpu_enabled: true
"""
NODE = {
    "roles": ["vllm"],
    "accelerator": "cuda",
    "accelerator_memory": "80GiB",
    "accelerators": 4,
    "cpus": 64,
    "memory": "256GiB",
}
Write = Callable[[str, str], Path]


def changed(text: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Return a document with changes under dotted keys; None takes a key away."""
    document: dict[str, Any] = yaml.safe_load(text)
    for dotted, value in changes.items():
        section = document
        *above, last = dotted.split(".")
        for part in above:
            section = section.setdefault(part, {})
        if value is None:
            section.pop(last)
        else:
            section[last] = deepcopy(value)
    return document


def judged(text: str, changes: dict[str, Any], **known: Any) -> Report:
    return SchemaValidator(today=TODAY, **known).data(changed(text, changes))


def codes(report: Report) -> list[tuple[str, str]]:
    return [(item.code, ".".join(map(str, item.path))) for item in report.found]


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


@pytest.mark.feature("CS-03")
def test_the_documents_service_has_all_its_keys(write: Write) -> None:
    report = SchemaValidator(today=TODAY).file(write("mixtral.yaml", SERVICE))
    config = report.accepted()
    assert isinstance(config, AIModelServiceConfigSchema)
    assert config.network is not None
    assert (
        config.service_name,
        config.service_version,
        config.service_type,
        config.environment,
    ) == ("mixtral-service", "1.0.0", "ai_model", "production")
    resources, security = config.resources, config.security
    assert (resources.memory_mb, resources.cpu_cores) == (8192, 4.0)
    assert (resources.gpu_enabled, resources.gpu_memory_gb) == (True, 24)
    assert security.security_level == "high"
    assert (security.encryption_enabled, security.ssl_enabled) == (True, True)
    assert (config.network.host, config.network.port) == ("0.0.0.0", 8000)


@pytest.mark.feature("CS-03", "CS-05")
def test_the_documents_service_is_accepted_with_the_id_of_a_warning(write: Write) -> None:
    report = SchemaValidator(today=TODAY).file(write("mixtral.yaml", SERVICE))
    assert report.ok
    assert report.errors == ()
    assert codes(report) == [
        ("C403", "resources.gpu_memory_gb"),
        ("C405", "network.host"),
    ]
    small = report.warnings[0]
    assert (small.place.line, small.severity) == (10, "warning")
    assert small.message == (
        "a model of 46.7 billion parameters needs about 97.7 GiB of the GPU, which has 24 GiB."
    )


@pytest.mark.feature("CS-04")
def test_the_documents_deployment_has_all_its_keys_and_limits_are_per_replica(
    write: Write,
) -> None:
    service = write("mixtral-service.yaml", SERVICE)
    report = SchemaValidator(today=TODAY).files([write("deploy.yaml", DEPLOYMENT), service])[0]
    config = report.accepted()
    assert isinstance(config, DeploymentConfigSchema)
    assert report.found == ()
    assert (config.deployment_name, config.deployment_type, config.environment) == (
        "mixtral-deployment",
        "kubernetes",
        "production",
    )
    (deployed,) = config.services
    assert (deployed.service_name, deployed.service_version, deployed.replicas) == (
        "mixtral-service",
        "1.0.0",
        3,
    )
    limits = config.resource_limits
    assert (limits.memory_mb, limits.cpu_cores, limits.gpu_enabled) == (16384, 8.0, True)
    # Were they limits of all replicas, three of 8192 MiB and 4 cores would not fit into them.
    assert limits.memory_mb < 3 * 8192


@pytest.mark.feature("CS-04")
@pytest.mark.parametrize(
    ("node", "room"),
    [
        ({}, 4),
        ({"accelerators": 3}, 3),
        ({"accelerators": 2}, 2),
        ({"memory": "48GiB"}, 2),
        ({"memory": "49GiB"}, 3),
        ({"cpus": 23.9}, 2),
        ({"cpus": 24}, 3),
        ({"memory": "1GiB"}, 0),
    ],
)
def test_the_sum_of_all_replicas_is_held_against_the_hosts(node: dict[str, Any], room: int) -> None:
    host = Host.model_validate(NODE | node)
    config = DeploymentConfigSchema.model_validate(yaml.safe_load(DEPLOYMENT))
    assert room_for(host, config.resource_limits) == room
    report = judged(DEPLOYMENT, {}, environment=environment(hosts={"node-1": NODE | node}))
    if room >= 3:
        assert report.found == ()
        return
    (error,) = report.errors
    assert (error.code, error.path) == ("C410", ("resource_limits",))
    assert error.message == (
        f"3 replicas take 48 GiB, 24 cores, 3 GPUs; the hosts have room for {room}."
    )


@pytest.mark.feature("CS-04")
def test_room_is_counted_host_by_host() -> None:
    nodes = {f"node-{number}": NODE | {"accelerators": 1} for number in (1, 2, 3)}
    assert judged(DEPLOYMENT, {}, environment=environment(hosts=nodes)).ok
    halves = {f"node-{number}": NODE | {"memory": "15GiB"} for number in range(8)}
    assert not judged(DEPLOYMENT, {}, environment=environment(hosts=halves)).ok


@pytest.mark.feature("CS-04")
def test_a_host_without_a_limit_of_cpus_and_limits_without_a_gpu() -> None:
    limits = DeploymentConfigSchema.model_validate(yaml.safe_load(DEPLOYMENT)).resource_limits
    plain = limits.model_copy(update={"gpu_enabled": False})
    host = Host.model_validate({"roles": ["gateway"], "memory": "33GiB"})
    assert room_for(host, plain) == 2
    assert room_for(host, limits) == 0
    assert plain.for_docker() == ("--memory=16384m", "--cpus=8")
    assert plain.for_kubernetes()["limits"] == {"memory": "16384Mi", "cpu": "8"}
    small = {"resource_limits.gpu_enabled": False, "services": [{"service_name": "a"}]}
    small["services"][0] |= {"service_version": "1.0.0", "replicas": 3}  # type: ignore[index]
    report = judged(DEPLOYMENT, small, environment=environment(hosts={"a": host}))
    assert [item.message for item in report.errors] == [
        "3 replicas take 48 GiB, 24 cores; the hosts have room for 2."
    ]


@pytest.mark.feature("CS-04")
def test_each_deployment_type_has_limits_in_its_own_words() -> None:
    def limits(kind: str) -> Any:
        config = judged(DEPLOYMENT, {"deployment_type": kind}).accepted()
        assert isinstance(config, DeploymentConfigSchema)
        return config.limits()

    both = {"memory": "16384Mi", "cpu": "8", "nvidia.com/gpu": "1"}
    assert limits("systemd") == {"MemoryMax": "16384M", "CPUQuota": "800%"}
    assert limits("docker") == ("--memory=16384m", "--cpus=8", "--gpus=1")
    assert limits("kubernetes") == {"limits": both, "requests": both}


@pytest.mark.feature("CS-04")
@pytest.mark.parametrize("kind", ["systemd", "docker", "kubernetes"])
def test_options_of_another_type_are_refused(kind: str) -> None:
    for section in ("systemd", "docker", "kubernetes"):
        report = judged(DEPLOYMENT, {"deployment_type": kind, section: {}})
        assert codes(report) == ([] if section == kind else [("C413", section)])


@pytest.mark.feature("CS-04")
@pytest.mark.parametrize(
    ("changes", "service", "found"),
    [
        ({"services": [{"service_name": "a", "service_version": "1.0.0"}] * 2}, {}, ["C411"]),
        ({"resource_limits.memory_mb": 8191}, {}, ["C412"]),
        ({"resource_limits.cpu_cores": 3.9}, {}, ["C412"]),
        ({"resource_limits.gpu_enabled": False}, {}, ["C412"]),
        ({"environment": "staging"}, {}, ["C412"]),
        ({}, {"service_version": "1.0.1"}, ["C412"]),
        ({"deployment_type": "nomad"}, {}, ["C006"]),
        ({"services": []}, {}, ["C006"]),
        ({"resource_limits": None}, {}, ["C004"]),
    ],
)
def test_a_deployment_that_cannot_be_is_refused(
    changes: dict[str, Any], service: dict[str, Any], found: list[str]
) -> None:
    known = AIModelServiceConfigSchema.model_validate(changed(SERVICE, service))
    report = judged(DEPLOYMENT, changes, services={"mixtral-service": known})
    assert [code for code, _ in codes(report)] == found
    assert not report.ok


@pytest.mark.feature("CS-01", "CS-03")
@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"memory": 1}, "C003", "memory"),
        ({"resources.memory": 1}, "C003", "resources.memory"),
        ({"service_name": "Mixtral Service"}, "C006", "service_name"),
        ({"service_version": "1.0"}, "C006", "service_version"),
        ({"service_version": "latest"}, "C006", "service_version"),
        ({"service_type": "ai-model"}, "C006", "service_type"),
        ({"environment": None}, "C004", "environment"),
        ({"resources.memory_mb": 0}, "C006", "resources.memory_mb"),
        ({"resources.cpu_cores": 0}, "C006", "resources.cpu_cores"),
        ({"resources.gpu_enabled": False}, "C402", "resources.gpu_memory_gb"),
        ({"resources.gpu_memory_gb": None}, "C402", "resources.gpu_memory_gb"),
        ({"security.security_level": "top"}, "C006", "security.security_level"),
        ({"security.encryption_enabled": False}, "C401", "security.encryption_enabled"),
        ({"security.ssl_enabled": False}, "C401", "security.ssl_enabled"),
        ({"network.port": 65536}, "C006", "network.port"),
        ({"network.host": "a b"}, "C006", "network.host"),
        ({"secrets.key": "hunter2"}, "C006", "secrets.key"),
        ({"depends_on": ["mixtral-service"]}, "C407", "depends_on.0"),
        ({"depends_on": ["a", "a"]}, "C407", "depends_on.1"),
        ({"schema": 2}, "C006", "schema"),
    ],
)
def test_a_service_that_cannot_be_is_refused(changes: dict[str, Any], code: str, path: str) -> None:
    report = judged(SERVICE, changes)
    assert (code, path) in [(item.code, ".".join(map(str, item.path))) for item in report.errors]
    assert not report.ok
    assert "hunter2" not in str([str(item) for item in report.found])


@pytest.mark.feature("CS-03")
def test_a_low_level_may_leave_its_switches_off() -> None:
    low = {"security.security_level": "low", "security.ssl_enabled": False}
    assert judged(SERVICE, low | {"security.encryption_enabled": False}).ok


@pytest.mark.feature("CS-03")
@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"model.quantization": "awq", "resources.gpu_memory_gb": 80}, []),
        ({"model.quantization": "awq"}, ["resources.gpu_memory_gb"]),
        ({"model.tensor_parallel_size": 2, "resources.gpu_memory_gb": 80}, []),
        ({"model.name": "Mixtral-8x22B", "resources.gpu_memory_gb": 80}, None),
        ({"model.parameters_billion": 7}, []),
        ({"model.name": "Qwen2.5-7B"}, []),
        ({"model.name": "Qwen2.5-14B"}, ["resources.gpu_memory_gb"]),
        ({"model.name": "Qwen2.5-14B", "model.quantization": "fp8"}, []),
        (
            {"model.name": "x-7b", "resources.gpu_memory_gb": None, "resources.gpu_enabled": False},
            ["resources.memory_mb"],
        ),
        ({"model.name": "x-7b", "resources.memory_mb": 4096}, ["resources.memory_mb"]),
    ],
)
def test_a_model_is_held_against_memory_and_gpus(
    changes: dict[str, Any], found: list[str] | None
) -> None:
    report = judged(SERVICE, changes)
    paths = [path for code, path in codes(report) if code == "C403"]
    assert report.ok
    assert paths == (["resources.gpu_memory_gb"] if found is None else found)


@pytest.mark.feature("CS-03")
def test_a_model_of_unknown_size_is_told() -> None:
    report = judged(SERVICE, {"service_name": "chat"})
    assert ("C404", "model.parameters_billion") in codes(report)


@pytest.mark.feature("CS-03")
def test_a_port_of_the_environment_is_refused_once_it_is_known() -> None:
    known = environment()
    report = judged(SERVICE, {}, environment=known)
    (error,) = report.errors
    assert (error.code, error.path) == ("C406", ("network", "port"))
    assert error.message == "infrastructure_services.api_gateway.port has this port."
    assert judged(SERVICE, {"network.port": 8110}, environment=known).ok
    assert judged(SERVICE, {"network": None}, environment=known).ok
    gateway = {"service_type": "infrastructure", "service_name": "api-gateway"}
    assert judged(SERVICE, gateway, environment=known).ok


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


@pytest.mark.feature("CS-02")
def test_each_kind_of_service_has_keys_of_its_own() -> None:
    own = {
        name: set(SchemaFactory().schema(name).model_fields) - set(ServiceConfigSchema.model_fields)
        for name in SchemaFactory().names
    }
    assert {"model", "max_concurrent_requests"} <= own["ai_model"]
    assert {"workers", "storage", "hot_reload"} <= own["infrastructure"]
    assert {"connection", "retry", "breaker"} == own["integration"]
    assert {"observability", "metrics"} == own["monitoring"]
    report = judged(SERVICE, {"service_type": "monitoring", "model": {"name": "x"}})
    assert ("C003", "model") in codes(report)


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


def test_every_rule_of_services_and_deployments_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/rules.md").read_text()
    ids = [identity for identity in every_rule() if identity.startswith("C4")]
    assert sorted(ids) == [f"C{number}" for number in (*range(401, 408), *range(410, 414))]
    assert all(f"## {identity}\n" in page for identity in ids)
