"""What the bundles of stores and monitoring put on a host, rendered from a whole environment."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from hxp_enterprise_llm.orchestration.bundle.render import render
from hxp_enterprise_llm.orchestration.bundle.spec import RenderedBundle
from hxp_enterprise_llm.testing import factories

ROOT = Path(__file__).parents[3]
HOSTS = {
    "postgres": "data-1",
    "redis": "data-1",
    "exporters": "data-1",
    "prometheus": "metrics-1",
    "alertmanager": "metrics-1",
}


def bundle(role: str, **sections: Any) -> RenderedBundle:
    resolver = import_module(f"hxp_enterprise_llm.orchestration.resolvers.{role}")
    host = HOSTS[role]
    data = resolver.resolve(factories.context(**sections), host).model_dump(mode="json")
    return render(role, data, host, "test", root=ROOT)


def text(rendered: RenderedBundle, name: str) -> str:
    (found,) = [f.content for f in rendered.files if name in (f.tree, f.path)]
    return found


@pytest.mark.parametrize("role", HOSTS)
def test_every_unit_of_a_bundle_has_a_hardened_unit_file_of_a_user_of_its_own(role: str) -> None:
    rendered = bundle(role)
    (user,) = rendered.users
    for unit in rendered.units:
        content = text(rendered, f"/etc/systemd/system/{unit.name}")
        assert f"User={user.name}\n" in content
        assert "ProtectSystem=strict\n" in content
        assert "CapabilityBoundingSet=\n" in content


@pytest.mark.parametrize("role", HOSTS)
def test_every_file_says_who_manages_it(role: str) -> None:
    for file in bundle(role).files:
        if not (file.tree or "").endswith((".py", ".json")):
            assert "Managed by Citadel" in file.content.split("groups:")[0], file.source


@pytest.mark.parametrize("role", HOSTS)
def test_data_folders_are_closed_to_others(role: str) -> None:
    for folder in bundle(role).directories:
        assert folder.mode == "0750"


@pytest.mark.parametrize("role", HOSTS)
def test_every_credential_is_handed_over_by_systemd(role: str) -> None:
    rendered = bundle(role)
    units = "".join(f.content for f in rendered.files if f.path)
    for name in rendered.credentials:
        assert f":/etc/citadel/credentials/{role}/{name}\n" in units


@pytest.mark.parametrize("role", ["postgres", "redis", "prometheus", "alertmanager"])
def test_a_server_is_checked_on_the_staged_tree_before_the_swap(role: str) -> None:
    commands = bundle(role).validators
    assert commands
    assert all(any("{tree}" in word for word in command) for command in commands)


def test_hba_lets_in_the_gateway_and_the_exporter_and_nobody_else() -> None:
    lines = [
        line
        for line in text(bundle("postgres"), "pg_hba.conf").splitlines()
        if not line.startswith("#")
    ]
    assert lines == [
        "local all postgres peer map=citadel",
        "host citadel_ai citadel_admin 10.200.0.12/32 scram-sha-256",
        "host postgres citadel_monitor 127.0.0.1/32 scram-sha-256",
        "host postgres citadel_monitor 10.200.0.13/32 scram-sha-256",
    ]


def test_access_rules_are_reloaded_and_the_server_file_restarts() -> None:
    changes = {file.tree: file.on_change for file in bundle("postgres").files if file.tree}
    assert changes["pg_hba.conf"] == "reload"
    assert changes["reload.conf"] == "reload"
    assert changes["postgresql.conf"] == "restart"


def test_stores_listen_on_loopback_and_their_address() -> None:
    assert "listen_addresses = '127.0.0.1,10.200.0.13'\n" in text(
        bundle("postgres"), "postgresql.conf"
    )
    assert "bind 127.0.0.1 10.200.0.13\n" in text(bundle("redis"), "redis.conf")


def test_scrape_targets_and_rules_are_reloaded_without_a_restart() -> None:
    changes = {file.tree: file.on_change for file in bundle("prometheus").files if file.tree}
    assert set(changes.values()) == {"reload"}


def test_the_scrape_configuration_has_every_target_of_the_data() -> None:
    document = yaml.safe_load(text(bundle("prometheus"), "prometheus.yml"))
    assert document["rule_files"] == ["rules/*.yml"]
    assert document["alerting"]["alertmanagers"][0]["static_configs"] == [
        {"targets": ["10.200.0.14:9093"]}
    ]
    jobs = {job["job_name"]: job["static_configs"] for job in document["scrape_configs"]}
    assert [one["targets"] for one in jobs["vllm"]] == [["10.200.0.11:8201"], ["10.200.0.11:8202"]]
    assert jobs["vllm"][0]["labels"] == {
        "environment": "test",
        "host": "llm-1",
        "role": "vllm",
        "model": "tiny",
    }


def test_exporters_run_only_for_stores_that_exist() -> None:
    hosts = {"data-1": {"roles": ["redis", "exporters"], "memory": "1GiB"}}
    rendered = bundle("exporters", hosts=hosts, models={})
    assert [unit.name for unit in rendered.units] == ["citadel-redis-exporter.service"]
    assert set(rendered.credentials) == {"redis"}


def test_nobody_is_told_of_alerts_by_default() -> None:
    document = yaml.safe_load(text(bundle("alertmanager"), "alertmanager.yml"))
    assert document["route"]["receiver"] == "nobody"
    assert document["receivers"] == [{"name": "nobody"}]
    assert bundle("alertmanager").credentials == {}


def test_a_webhook_gets_alerts_with_its_token_from_a_credential() -> None:
    monitoring = {
        "alert_webhook_url": "https://alerts.example.org/citadel",
        "alert_webhook_token": "generated:alertmanager/webhook",
    }
    rendered = bundle("alertmanager", infrastructure_services={"monitoring": monitoring})
    document = yaml.safe_load(text(rendered, "alertmanager.yml"))
    assert document["route"]["receiver"] == "webhook"
    (hook,) = document["receivers"][1]["webhook_configs"]
    assert hook["url"] == "https://alerts.example.org/citadel"
    assert hook["http_config"]["authorization"]["credentials_file"].startswith("/run/credentials/")
    assert rendered.credentials == {"webhook_token": "generated:alertmanager/webhook"}
