"""Every daemon of an environment is scraped, once, with labels that name it."""

from __future__ import annotations

from typing import Any

from hxp_enterprise_llm.orchestration.resolvers.prometheus import jobs, resolve
from hxp_enterprise_llm.testing import factories


def addresses(job: str, **sections: Any) -> list[str]:
    found = {one.name: one for one in jobs(factories.context(**sections))}
    return [target.address for target in found[job].targets] if job in found else []


def test_every_daemon_has_a_job() -> None:
    names = [job.name for job in jobs(factories.context())]
    assert " ".join(names) == (
        "base vllm engine_proxy gateway postgres redis prometheus alertmanager"
    )


def test_node_exporter_is_scraped_on_every_host() -> None:
    assert addresses("base") == [f"10.200.0.{n}:9100" for n in (11, 12, 13, 14)]


def test_each_engine_is_scraped_through_its_proxy_with_its_model() -> None:
    (job,) = [job for job in jobs(factories.context()) if job.name == "vllm"]
    assert [(t.address, t.labels["model"]) for t in job.targets] == [
        ("10.200.0.11:8201", "tiny"),
        ("10.200.0.11:8202", "vectors"),
    ]
    assert job.metrics_path == "/metrics"


def test_an_engine_goes_by_its_served_name() -> None:
    models = {"tiny": {**factories.MODELS["tiny"], "served_name": "gpt"}}
    (job,) = [job for job in jobs(factories.context(models=models)) if job.name == "vllm"]
    assert [target.labels["model"] for target in job.targets] == ["gpt"]


def test_each_gateway_worker_is_scraped_by_itself() -> None:
    services = {"api_gateway": {"workers": 3}}
    assert addresses("gateway", infrastructure_services=services) == [
        f"10.200.0.12:{port}" for port in (9101, 9102, 9103)
    ]


def test_stores_are_scraped_through_their_exporters() -> None:
    assert addresses("postgres") == ["10.200.0.13:9187"]
    assert addresses("redis") == ["10.200.0.13:9121"]


def test_a_store_without_exporters_has_no_target() -> None:
    hosts = {"data-1": {"roles": ["postgres"], "memory": "1GiB"}}
    assert addresses("postgres", hosts=hosts, models={}) == []


def test_exporters_elsewhere_watch_the_store_that_has_none() -> None:
    hosts = {
        "data-1": {"roles": ["postgres"], "memory": "1GiB"},
        "watch-1": {"roles": ["exporters"], "memory": "1GiB"},
    }
    (job,) = [j for j in jobs(factories.context(hosts=hosts, models={})) if j.name == "postgres"]
    assert [(t.address, t.labels["host"]) for t in job.targets] == [("10.200.0.12:9187", "data-1")]


def test_targets_name_their_environment_host_and_role() -> None:
    for job in jobs(factories.context("staging")):
        for target in job.targets:
            assert target.labels["environment"] == "staging"
            assert target.labels["host"] in factories.HOSTS
            assert target.labels["role"]


def test_no_address_is_scraped_twice() -> None:
    every = [target.address for job in jobs(factories.context()) for target in job.targets]
    assert len(every) == len(set(every))


def test_retention_interval_and_alertmanager_come_from_the_environment() -> None:
    context = factories.context(
        infrastructure_services={"monitoring": {"metrics_collection_interval": "5s"}},
        integration_services={"metrics": {"retention_days": 7}},
    )
    role = resolve(context, "metrics-1")
    assert (role.retention_days, role.scrape_interval_s) == (7, 5)
    assert role.alertmanagers == ("10.200.0.14:9093",)


def test_alerting_switched_off_leaves_alertmanager_out() -> None:
    off = {"monitoring": {"alerting_enabled": False}}
    assert resolve(factories.context(infrastructure_services=off), "metrics-1").alertmanagers == ()
