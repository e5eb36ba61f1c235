"""What the gateway of an environment serves, and by which engines."""

from __future__ import annotations

from hxp_enterprise_llm.orchestration.resolvers.gateway import resolve, upstreams
from hxp_enterprise_llm.testing.factories import HOSTS, MODELS, context


def test_every_model_is_served_by_its_own_proxy_port() -> None:
    config = resolve(context(), "edge-1").config
    assert {name: model.upstreams for name, model in config.models.items()} == {
        "tiny": ("10.200.0.11:8201",),
        "vectors": ("10.200.0.11:8202",),
    }
    tasks = {name: model.task for name, model in config.models.items()}
    assert tasks == {"tiny": "generate", "vectors": "embed"}


def test_replicas_are_upstreams_of_one_served_name_and_disabled_models_are_gone() -> None:
    hosts = {**HOSTS, "llm-2": {"roles": ["vllm"], "memory": "8GiB"}}
    models = {
        "tiny": MODELS["tiny"] | {"replicas": 2, "served_name": "org/Tiny"},
        "vectors": MODELS["vectors"] | {"enabled": False},
    }
    assert upstreams(context(hosts=hosts, models=models)) == {
        "org/Tiny": ["10.200.0.11:8201", "10.200.0.15:8201"]
    }


def test_limits_and_times_come_from_the_environment() -> None:
    services = {"api_gateway": {"port": 8080, "workers": 3, "timeout": "2m", "max_connections": 50}}
    role = resolve(context(infrastructure_services=services), "edge-1")
    assert role.workers == 3
    assert (role.config.listen.port, role.config.timeouts.request) == (8080, 120.0)
    assert role.config.limits.max_connections == 50
    # Metrics are for the fleet's own network, never for every interface.
    assert role.config.metrics.host == "10.200.0.12"


def test_the_virtual_environment_is_named_by_its_content() -> None:
    role = resolve(context(), "edge-1")
    (artifact,) = role.artifacts
    assert (artifact.kind, role.venv) == ("venv", artifact.path)
    assert role.venv.endswith(artifact.digest[:16])


def test_the_key_stays_a_reference() -> None:
    assert resolve(context(), "edge-1").key == "generated:gateway/key"
