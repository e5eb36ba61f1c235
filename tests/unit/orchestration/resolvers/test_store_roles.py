"""Who may reach a store, how much memory it takes, and which secret it refers to."""

from __future__ import annotations

from hxp_enterprise_llm.orchestration.resolvers import alertmanager, exporters, postgres, redis
from hxp_enterprise_llm.orchestration.resolvers.sizing import memory_share, network
from hxp_enterprise_llm.testing import factories


def test_only_gateways_and_exporters_may_enter_the_database() -> None:
    role = postgres.resolve(factories.context(), "data-1")
    assert role.clients == ("10.200.0.12/32",)
    assert role.monitors == ("10.200.0.13/32",)


def test_an_address_becomes_a_network_of_one_host_and_a_name_stays() -> None:
    assert network("10.0.0.7") == "10.0.0.7/32"
    assert network("fd00::7") == "fd00::7/128"
    assert network("edge.example.org") == "edge.example.org"


def test_stores_of_one_host_share_its_memory() -> None:
    context = factories.context()
    share = memory_share(context, "data-1")
    assert share == factories.GIB
    database, cache = postgres.resolve(context, "data-1"), redis.resolve(context, "data-1")
    assert database.shared_buffers_mib == 256
    assert database.effective_cache_mib == 768
    assert cache.maxmemory_mib == 512


def test_a_store_alone_on_its_host_has_all_its_memory() -> None:
    hosts = {"data-1": {"roles": ["redis"], "memory": "2GiB"}}
    context = factories.context(hosts=hosts, models={})
    assert redis.resolve(context, "data-1").maxmemory_mib == 1024


def test_limits_of_the_database_come_from_the_environment() -> None:
    database = {"max_connections": 40, "query_timeout": "2s", "connection_timeout": "5s"}
    context = factories.context(integration_services={"database": database})
    role = postgres.resolve(context, "data-1")
    assert (role.max_connections, role.query_timeout_ms, role.connection_timeout_s) == (40, 2000, 5)


def test_role_data_has_references_and_no_secret() -> None:
    context = factories.context()
    store = postgres.resolve(context, "data-1")
    assert store.password == "generated:postgres/citadel_admin"
    assert redis.resolve(context, "data-1").password == "generated:redis/default"


def test_exporters_use_the_password_that_the_store_gives_their_user() -> None:
    context = factories.context()
    role = exporters.resolve(context, "data-1")
    assert role.postgres is not None
    assert role.redis is not None
    store, cache = postgres.resolve(context, "data-1"), redis.resolve(context, "data-1")
    assert (role.postgres.user, role.postgres.password) == (
        store.monitor_user, store.monitor_password,
    )  # fmt: skip
    assert (role.redis.user, role.redis.password) == (cache.monitor_user, cache.monitor_password)


def test_exporters_reach_a_store_of_their_host_over_loopback() -> None:
    role = exporters.resolve(factories.context(), "data-1")
    assert role.postgres is not None
    assert (role.postgres.store_address, role.postgres.store_port) == ("127.0.0.1", 5433)


def test_exporters_of_an_environment_without_a_store_leave_it_out() -> None:
    hosts = {"data-1": {"roles": ["redis", "exporters"], "memory": "1GiB"}}
    role = exporters.resolve(factories.context(hosts=hosts, models={}), "data-1")
    assert role.postgres is None
    assert role.redis is not None


def test_alerts_go_nowhere_until_a_webhook_is_named() -> None:
    assert alertmanager.resolve(factories.context(), "metrics-1").webhook_url is None
    monitoring = {
        "alert_webhook_url": "https://alerts.example.org/citadel",
        "alert_webhook_token": "generated:alerts/webhook",
    }
    context = factories.context(infrastructure_services={"monitoring": monitoring})
    role = alertmanager.resolve(context, "metrics-1")
    assert role.webhook_url == "https://alerts.example.org/citadel"
    assert role.webhook_token == "generated:alerts/webhook"
