"""Files of deployments: their keys, limits and options."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from tests.unit.configuration.documents import (
    DEPLOYMENT,
    NODE,
    SERVICE,
    TODAY,
    Write,
    changed,
    codes,
    judged,
)

from hxp_enterprise_llm.configuration.rules.deployments import room_for
from hxp_enterprise_llm.configuration.schemas import (
    AIModelServiceConfigSchema,
    DeploymentConfigSchema,
    SchemaValidator,
)
from hxp_enterprise_llm.schemas.hosts import Host
from hxp_enterprise_llm.testing.factories import environment


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
