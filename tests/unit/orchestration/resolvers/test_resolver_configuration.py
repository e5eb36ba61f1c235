"""A configuration service shares the environment's PostgreSQL, or keeps files of its own."""

from __future__ import annotations

from typing import Any

import pytest

from hxp_enterprise_llm.configuration.derived import derived
from hxp_enterprise_llm.core.exceptions import InvalidConfigurationError
from hxp_enterprise_llm.orchestration.artifacts.needs import needs_of
from hxp_enterprise_llm.orchestration.endpoints import urls
from hxp_enterprise_llm.orchestration.resolvers import postgres, prometheus
from hxp_enterprise_llm.orchestration.resolvers.configuration import resolve
from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.schemas.configuration_service import DatabaseStore, FileStore
from hxp_enterprise_llm.testing.factories import HOSTS, context

pytestmark = pytest.mark.feature("CL-01", "KT-01", "A26")
EDGE = {"roles": ["gateway", "configuration"], "memory": "1GiB"}


def seen(**sections: Any) -> Context:
    return context(**{"hosts": {**HOSTS, "edge-1": EDGE}, **sections})


def test_it_shares_the_database_of_the_environment() -> None:
    role = resolve(seen(), "edge-1")
    assert isinstance(role.config.store, DatabaseStore)
    assert role.config.store.host == "10.200.0.13"
    assert role.database == seen().environment.integration_services.database.password
    assert (role.config.environment, role.config.listen.port) == ("test", 8080)
    assert role.config.listen.host == "10.200.0.12"
    assert (role.key, role.signing) == (
        "generated:configuration/key",
        "generated:configuration/signing-key",
    )
    clients = postgres.resolve(seen(), "data-1").clients
    assert clients.count("10.200.0.12/32") == 1


def test_without_one_it_keeps_files_where_data_lies() -> None:
    storage = {"storage": {"data_storage_path": "/srv/data", "backup_storage_path": "/srv/back"}}
    role = resolve(seen(hosts={"edge-1": EDGE}, infrastructure_services=storage), "edge-1")
    assert role.config.store == FileStore(folder="/srv/data/configuration")
    assert role.config.state == "/srv/data/configuration"
    assert role.config.backup is not None
    assert role.config.backup.folder == "/srv/back/configuration"
    assert role.database is None


def test_hot_reload_backups_and_the_port_are_what_the_file_says() -> None:
    settings = {"configuration": {"hot_reload": False, "backup_enabled": False}}
    listeners = {"configuration": {"port": 8181}}
    role = resolve(seen(infrastructure_services=settings, listeners=listeners), "edge-1")
    assert role.config.hot_reload is False
    assert role.config.backup is None
    assert role.config.listen.port == 8181


def test_the_file_says_who_may_come_in() -> None:
    settings = {
        "roles": [{"name": "tuner", "permissions": [{"actions": ["read"], "resources": ["*"]}]}],
        "principals": [{"id": "ada", "roles": ["tuner"]}],
        "keys": [{"principal": "ada", "sha256": "0" * 64}],
    }
    role = resolve(seen(infrastructure_services={"configuration": settings}), "edge-1")
    assert [one.name for one in role.config.roles] == ["tuner"]
    assert [one.roles for one in role.config.principals] == [("tuner",)]
    assert [one.principal for one in role.config.keys] == ["ada"]


@pytest.mark.feature("CC-04", "CC-07")
def test_security_is_what_the_file_says_and_exports_lie_where_backups_do() -> None:
    usual = resolve(seen(), "edge-1")
    assert usual.audit == "generated:configuration/audit-key"
    assert (usual.config.audit_key, usual.config.sealing, usual.sealing) == ("audit", (), ())
    assert usual.config.security.level == "medium"
    assert usual.config.security.retention.days == 90
    assert usual.config.security.retention.folder == "/opt/backups/configuration/audit"
    settings = {
        "sealing_keys": ["generated:configuration/sealing-2", "generated:configuration/sealing-1"],
        "security": {
            "level": "low",
            "attempts": {"tries": 3},
            "anomalies": {"zone": "Europe/Berlin"},
            "retention": {"days": 120, "folder": "/mnt/audit"},
        },
    }
    role = resolve(seen(infrastructure_services={"configuration": settings}), "edge-1")
    assert role.sealing == tuple(settings["sealing_keys"])
    assert role.config.sealing == ("sealing-1", "sealing-2")
    security = role.config.security
    assert (security.level, security.attempts.tries) == ("low", 3)
    assert security.anomalies.zone == "Europe/Berlin"
    assert (security.retention.days, security.retention.folder) == (120, "/mnt/audit")


@pytest.mark.feature("CC-04")
def test_a_level_that_the_environment_does_not_give_is_refused_before_a_host_is_touched() -> None:
    settings = {"configuration": {"security": {"level": "high"}}}
    with pytest.raises(InvalidConfigurationError) as caught:
        resolve(seen(infrastructure_services=settings), "edge-1")
    assert "`sealing`" in caught.value.message
    assert "a proxy that speaks TLS" in caught.value.message


def test_its_address_is_known_to_all() -> None:
    host = {"edge-1": {**EDGE, "address": "192.168.10.29"}}
    environment = seen(hosts=host).environment
    found = {item.path: item.value for item in derived("test", environment)}
    path = ("service_network", "internal_services", "configuration")
    assert found[path] == "192.168.10.29:8080"


def test_it_is_installed_scraped_and_reached() -> None:
    there = seen()
    assert "configuration" in [ref.name for ref in needs_of(there.environment).venvs]
    (job,) = [job for job in prometheus.jobs(there) if job.name == "configuration"]
    assert [target.address for target in job.targets] == ["10.200.0.12:8080"]
    assert urls(there.environment, there.fleet)["configuration"] == "http://10.200.0.12:8080/v1"
    assert "configuration" not in [ref.name for ref in needs_of(context().environment).venvs]
