"""The documents' key trees, name by name: each is a key of an environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, KeyPath
from hxp_enterprise_llm.configuration.explain import explain
from hxp_enterprise_llm.configuration.fields import field_at
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
from hxp_enterprise_llm.configuration.merge import value_at
from hxp_enterprise_llm.configuration.resolved import resolved
from hxp_enterprise_llm.schemas.base import parse_seconds
from hxp_enterprise_llm.schemas.environment import Environment

Judge = Callable[[dict[str, Any]], list[Diagnostic]]
Accept = Callable[..., LoadedEnvironment]
DOCUMENTS = yaml.safe_load(
    (Path(__file__).parents[2] / "corpus/0/documents.yaml").read_text(encoding="utf-8")
)
# Word for word as the documents name them.
TREES = {
    "KT-01": """
        infrastructure_services.api_gateway.{port,host,workers,timeout,max_connections,rate_limit_rps,enable_ssl,enable_auth}
        infrastructure_services.monitoring.{prometheus_port,grafana_port,health_check_interval,metrics_collection_interval,alerting_enabled,dashboard_auto_discovery}
        infrastructure_services.configuration.{config_path,environment,hot_reload,validation_enabled,secret_management,backup_enabled}
        infrastructure_services.storage.{model_storage_path,data_storage_path,cache_storage_path,backup_storage_path,max_storage_gb,compression_enabled}
    """,
    "KT-02": """
        service_network.internal_services.{api_gateway,monitoring,configuration,storage}
        service_network.external_integration.{database,vector_database,metrics_server,grafana_server}
        service_network.security_requirements.{ssl_enabled,authentication_required,rate_limiting,request_validation,audit_logging}
        service_network.database_connection.{host,port,ssl_enabled,connection_pooling,load_balancing}
        service_network.vector_db_connection.{host,port,ssl_enabled,connection_pooling,grpc_port}
        service_network.cache_connection.{host,port,ssl_enabled,connection_pooling,clustering}
        service_network.metrics_connection.{prometheus,grafana,ssl_enabled,authentication}
    """,
    "KT-03": """
        integration_services.database.{host,port,database,user,password,connection_pool_size,max_connections,connection_timeout,query_timeout}
        integration_services.vector_database.{host,port,grpc_port,prefer_grpc,connection_pool_size,max_connections,timeout,batch_size}
        integration_services.cache.{host,port,db,connection_pool_size,max_connections,timeout,key_prefix,ttl_default}
        integration_services.metrics.{prometheus_host,prometheus_port,grafana_host,grafana_port,collection_interval,retention_days,alerting_enabled}
    """,
    "KT-04": """
        performance_targets.api_gateway.{target_latency_ms,target_throughput_rps,max_concurrent_requests,connection_timeout}
        performance_targets.monitoring.{metrics_collection_interval,health_check_timeout,alert_response_time,dashboard_load_time}
        performance_targets.configuration.{config_load_time,validation_time,hot_reload_time,backup_time}
        performance_targets.storage.{read_latency_ms,write_latency_ms,cache_hit_rate,compression_ratio}
        performance_targets.database.{query_latency_ms,connection_pool_efficiency,query_throughput_rps,connection_timeout}
        performance_targets.vector_database.{search_latency_ms,index_efficiency,search_throughput_rps,batch_processing_time}
        performance_targets.cache.{read_latency_ms,write_latency_ms,hit_rate,memory_usage_gb}
        performance_targets.metrics.{collection_latency_ms,storage_efficiency,query_response_time,dashboard_load_time}
    """,
}  # fmt: skip
FLEET = {
    "hosts/data-1": {"roles": ["postgres", "redis", "exporters"], "memory": "1GiB"},
    "hosts/metrics-1": {"roles": ["prometheus", "alertmanager"], "memory": "1GiB"},
    "hosts/edge-1": {"roles": ["gateway", "configuration"], "memory": "1GiB"},
}


def keys_of(tree: str) -> Iterator[tuple[str, ...]]:
    """Yield the paths of a tree whose last names stand in braces."""
    for above, names in re.findall(r"(\S+)\.\{(\S+)\}", tree):
        for name in names.split(","):
            yield (*above.split("."), name)


KEYS = [
    pytest.param(path, id=".".join(path), marks=pytest.mark.feature(row))
    for row, tree in TREES.items()
    for path in keys_of(tree)
]


def test_the_trees_are_those_of_the_documents_own_example() -> None:
    def leaves(data: Any, at: KeyPath = ()) -> Iterator[KeyPath]:
        for key, value in data.items():
            if isinstance(value, dict):
                yield from leaves(value, (*at, key))
            else:
                yield (*at, key)

    found = [tuple(path) for tree in TREES.values() for path in keys_of(tree)]
    assert len(found) == len(set(found)) == 122
    assert set(found) == set(leaves(DOCUMENTS))


@pytest.mark.parametrize("path", KEYS)
def test_a_key_of_the_documents_is_a_key_of_an_environment(
    path: tuple[str, ...], accept: Accept
) -> None:
    # Under the very same name, and told what it means.
    assert field_at(Environment, path) is not None
    loaded = accept(FLEET)
    (explained,) = explain(loaded, ".".join(path))
    assert explained.description
    assert explained.value == value_at(resolved(loaded.name, loaded.environment), path)


@pytest.mark.parametrize("path", KEYS)
def test_the_value_of_the_documents_is_of_its_type(path: tuple[str, ...]) -> None:
    section, store, key = path
    value = DOCUMENTS[section][store][key]
    if path == ("integration_services", "database", "password"):
        value = "env:DATABASE_PASSWORD"  # what migration makes of ${DATABASE_PASSWORD}
    whole = Environment.model_validate(
        {
            "schema": 1,
            "provider": {"kind": "local"},
            "hosts": {"llm-1": {"roles": ["vllm"], "memory": "8GiB"}},
            section: {store: {key: value}},
        }
    )
    dumped = whole.model_dump(mode="json", by_alias=True)[section][store][key]
    assert dumped == (parse_seconds(value) if isinstance(dumped, float) else value)


@pytest.mark.parametrize("path", KEYS)
def test_a_key_of_the_documents_may_be_written_with_what_holds_for_it(
    path: tuple[str, ...], accept: Accept, judge: Judge
) -> None:
    loaded = accept(FLEET)
    value = value_at(resolved(loaded.name, loaded.environment), path)
    found = judge({**FLEET, "/".join(path): value})
    assert [item for item in found if item.severity == "error"] == []
    # Of what has no effect yet whoever writes it is told (C390); of nothing else.
    assert {item.code for item in found} <= {"C390"}
