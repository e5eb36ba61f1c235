"""Rules about dependencies, consistency, performance and security that no one section owns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, dotted
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
from hxp_enterprise_llm.configuration.rules.dependencies import NEEDS, start_order
from hxp_enterprise_llm.schemas.environment import Environment

Judge = Callable[[dict[str, Any]], list[Diagnostic]]

GATEWAY = "infrastructure_services/api_gateway"
MONITORING = "infrastructure_services/monitoring"
STORES = "integration_services"
TARGETS = "performance_targets"
DATA = {"hosts/data-1": {"roles": ["postgres", "redis", "exporters"], "memory": "1GiB"}}
WATCH = {"hosts/metrics-1": {"roles": ["prometheus", "alertmanager"], "memory": "1GiB"}}
SHARED = {
    "state/backend": "s3://bucket?region=eu-central-1",
    "state/secrets_provider": "awskms://alias/citadel?region=eu-central-1",
    f"{GATEWAY}/key": "vault:secret/citadel/gateway#key",
}

# Rule, severity, what is written, the key at fault, and what is said of it.
BROKEN: list[tuple[str, str, dict[str, Any], str, str]] = [
    (
        "C213",
        "error",
        {**DATA, f"{TARGETS}/cache/memory_usage_gb": 0.7},
        "performance_targets.cache.memory_usage_gb",
        "data-1 has 1 GiB, of which keys may take 0.6 GB.",
    ),
    (
        "C220",
        "warning",
        {f"{STORES}/cache/timeout": "5s"},
        "integration_services.cache",
        "no host has role redis, so these settings have no effect.",
    ),
    (
        "C221",
        "error",
        {f"{MONITORING}/alert_webhook_url": "https://pager.example/"},
        "infrastructure_services.monitoring.alert_webhook_url",
        "no host has role alertmanager, so nothing is posted there.",
    ),
    (
        "C221",
        "error",
        {f"{MONITORING}/alert_webhook_token": "env:PAGER"},
        "infrastructure_services.monitoring.alert_webhook_token",
        "there is no alert_webhook_url that this token is for.",
    ),
    (
        "C322",
        "error",
        {**DATA, f"{STORES}/database": {"connection_pool_size": 101}},
        "integration_services.database.connection_pool_size",
        "the pool has 101 connections, its server allows 100.",
    ),
    (
        "C322",
        "error",
        {**DATA, f"{STORES}/cache/connection_pool_size": 51},
        "integration_services.cache.connection_pool_size",
        "the pool has 51 connections, its server allows 50.",
    ),
    (
        "C335",
        "warning",
        {**DATA, f"{STORES}/database/query_timeout": "301s"},
        "integration_services.database.query_timeout",
        f"this takes up to 301 s, and a request 300 s ({GATEWAY.replace('/', '.')}.timeout).",
    ),
    (
        "C342",
        "error",
        {
            **WATCH,
            f"{MONITORING}/alert_webhook_url": "http://pager.example/",
            f"{MONITORING}/alert_webhook_token": "env:PAGER",
        },
        "infrastructure_services.monitoring.alert_webhook_url",
        "its token would be sent in clear.",
    ),
    (
        "C343",
        "error",
        {**WATCH, f"{MONITORING}/alert_webhook_url": "https://ann:canary@pager.example/"},
        "infrastructure_services.monitoring.alert_webhook_url",
        "the URL has an account in it.",
    ),
    (
        "C343",
        "error",
        {**SHARED, "state/backend": "postgres://u:canary@h/db"},
        "state.backend",
        "the URL has a secret in it.",
    ),
    (
        "C343",
        "error",
        {**SHARED, "state/backend": "s3://bucket?region=x&secretKey=canary"},
        "state.backend",
        "the URL has a secret in it.",
    ),
    (
        "C343",
        "error",
        {**SHARED, "state/secrets_provider": "hashivault://u:canary@vault/key"},
        "state.secrets_provider",
        "the URL has a secret in it.",
    ),
    (
        "C006",
        "error",
        {"state/secrets_provider": "canary"},
        "state.secrets_provider",
        "the value has another form.",
    ),
    (
        "C006",
        "error",
        {"state/backend": "canary"},
        "state.backend",
        "the value has another form.",
    ),
    (
        "C345",
        "warning",
        {**SHARED, "state/secrets_provider": "passphrase"},
        "state.secrets_provider",
        "the passphrase is made in each checkout, and the state is shared.",
    ),
    (
        "C345",
        "warning",
        {**SHARED, f"{GATEWAY}/key": "generated:gateway/key"},
        "infrastructure_services.api_gateway.key",
        "the value is made in each checkout, and the state is shared.",
    ),
    (
        "C344",
        "warning",
        {**DATA, f"{STORES}/cache/password": "env:A", f"{STORES}/database/password": "env:A"},
        "integration_services.cache.password",
        "integration_services.database.password has the same secret.",
    ),
    (
        "C360",
        "warning",
        {f"{GATEWAY}/rate_limit_rps": 999},
        "infrastructure_services.api_gateway.rate_limit_rps",
        "999 requests a second are less than the target of 1000.",
    ),
    (
        "C360",
        "warning",
        {f"{GATEWAY}/max_connections": 999},
        "infrastructure_services.api_gateway.max_connections",
        "999 connections a worker cannot carry 1000 requests at once.",
    ),
    (
        "C361",
        "warning",
        {f"{MONITORING}/metrics_collection_interval": "31s"},
        "performance_targets.monitoring.alert_response_time",
        "alerts need two collections, 62 s, and may take 60 s.",
    ),
    (
        "C362",
        "warning",
        {
            "models/small/weights": "2GiB",
            "hosts/llm-1/memory": "32GiB",
            "infrastructure_services/storage/max_storage_gb": 2,
        },
        "infrastructure_services.storage.max_storage_gb",
        "the models take 2 GB, and 2 GB are allowed.",
    ),
    (
        "C363",
        "warning",
        {"hosts/edge-1/cpus": 3.5},
        "hosts.edge-1.cpus",
        "4 workers share 3.5 CPUs.",
    ),
]
SOUND: list[dict[str, Any]] = [
    SHARED,
    {"state/backend": "file:///srv/state"},
    {**SHARED, "state/backend": "postgres://citadel@db.example:5432/state"},
    {**DATA, f"{TARGETS}/cache/memory_usage_gb": 0.6},
    {f"{TARGETS}/cache/memory_usage_gb": 0.6, **DATA},
    {**DATA, f"{STORES}/cache/timeout": "5s", f"{STORES}/database/query_timeout": "300s"},
    {**WATCH, f"{MONITORING}/alert_webhook_url": "http://pager.example/"},
    {
        **WATCH,
        f"{MONITORING}/alert_webhook_url": "http://127.0.0.1:9000/hook",
        f"{MONITORING}/alert_webhook_token": "env:PAGER",
    },
    {**DATA, f"{STORES}/database/connection_pool_size": 100},
    {f"{MONITORING}/metrics_collection_interval": "30s"},
    {"hosts/edge-1/cpus": 4},
    {f"{GATEWAY}/max_connections": 1000},
]


@pytest.mark.feature("CV-02", "CV-03")
@pytest.mark.parametrize(("rule", "severity", "changes", "path", "message"), BROKEN)
def test_what_is_not_sound_is_found_with_its_key_and_a_cure(
    judge: Judge, rule: str, severity: str, changes: dict[str, Any], path: str, message: str
) -> None:
    found = [item for item in judge(changes) if item.code == rule]
    assert [(item.severity, dotted(item.path), item.message) for item in found] == [
        (severity, path, message)
    ]
    assert found[0].fix.endswith(".")
    assert "canary" not in str(found[0])


@pytest.mark.parametrize("changes", SOUND)
def test_what_is_sound_is_not_named(judge: Judge, changes: dict[str, Any]) -> None:
    # C390 says of some keys that nothing reads them yet, which is another matter.
    assert [item.code for item in judge(changes) if item.code != "C390"] == []


@pytest.mark.feature("CV-02")
def test_roles_start_after_those_that_they_need(
    accept: Callable[..., LoadedEnvironment],
) -> None:
    environment = accept({**DATA, **WATCH}).environment
    order = start_order(environment)
    assert len(order) == 7
    for role in order:
        assert all(order.index(before) < order.index(role) for before in NEEDS[role])


def test_only_roles_that_some_host_has_are_ordered(
    accept: Callable[..., LoadedEnvironment],
) -> None:
    assert start_order(accept().environment) == ("vllm", "gateway")


def test_every_role_of_the_models_is_known_to_the_order() -> None:
    roles = Environment.model_json_schema()["$defs"]["Host"]["properties"]["roles"]
    assert set(roles["items"]["enum"]) <= set(NEEDS)


def test_the_playbook_brings_roles_up_in_an_order_that_keeps_to_their_needs() -> None:
    site = Path(__file__).parents[4] / "playbooks" / "site.yml"
    roles = [
        task["ansible.builtin.import_role"]["name"]
        for play in yaml.safe_load(site.read_text())
        for task in play["tasks"]
        if "ansible.builtin.import_role" in task
    ]
    known = [role for role in roles if role in NEEDS]
    assert known
    for role in known:
        assert all(known.index(needed) < known.index(role) for needed in NEEDS[role])
