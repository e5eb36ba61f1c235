"""Files of services: their keys, the older documents' example, what cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.configuration.documents import (
    SERVICE,
    TODAY,
    Write,
    codes,
    judged,
)

from hxp_enterprise_llm.configuration.schemas import (
    AIModelServiceConfigSchema,
    SchemaFactory,
    SchemaValidator,
    ServiceConfigSchema,
)
from hxp_enterprise_llm.testing.factories import environment


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
