"""What verify looks at, and the exit code that its findings stand for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hxp_enterprise_llm.core.exceptions import ExitCode
from hxp_enterprise_llm.orchestration.remote import Remote
from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.orchestration.verify import Check, Target, outcome, verify
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.outputs import FleetOutputs
from hxp_enterprise_llm.testing import factories
from hxp_enterprise_llm.testing.daemons import ANSWER, Daemons, running_daemons
from hxp_enterprise_llm.testing.programs import PROCESS_BORDER, Programs, Shells, unit

ROLES = {
    "llm-1": ("base", "vllm"),
    "edge-1": ("base", "gateway"),
    "data-1": ("base", "postgres", "redis", "exporters"),
    "metrics-1": ("base", "prometheus", "alertmanager"),
}


def impatient(environment: Environment) -> Environment:
    """Return the environment with no wait for samples: nothing here gets better by waiting."""
    services = environment.infrastructure_services
    monitoring = services.monitoring.model_copy(update={"metrics_collection_interval": 0.0})
    changed = services.model_copy(update={"monitoring": monitoring})
    return environment.model_copy(update={"infrastructure_services": changed})


class Site:
    """An environment of four hosts whose daemons and shells are doubles."""

    def __init__(self, daemons: Daemons, state: Path, **sections: Any) -> None:
        environment = impatient(factories.environment(**sections))
        ports = dict.fromkeys(("gateway", "prometheus", "alertmanager"), daemons.port)
        made = factories.fleet(environment)
        hosts = {
            name: host.model_copy(update={"published": ports}) for name, host in made.hosts.items()
        }
        self.daemons = daemons
        self.fleet = made.model_copy(update={"hosts": hosts})
        daemons.watch(Context("test", environment, self.fleet))
        self.shells = Shells(self.fleet, {h: [unit(r) for r in ROLES[h]] for h in hosts})
        self.environment, self._state = environment, state

    def target(self, fleet: FleetOutputs | None = None) -> Target:
        remote = Remote(fleet or self.fleet, self._state)
        return Target(self.environment, fleet or self.fleet, remote, "ck_1")

    def checks(self, fleet: FleetOutputs | None = None) -> list[Check]:
        return verify(self.target(fleet), lambda _: None)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with running_daemons() as daemons:
        found = Site(daemons, tmp_path)
        monkeypatch.setattr(PROCESS_BORDER, Programs(ssh=found.shells))
        yield found


def failed(checks: list[Check]) -> dict[str, str]:
    return {check.subject: check.detail for check in checks if not check.ok}


def away(site: Site) -> None:
    """Move every listener to a port that nobody listens on."""
    with running_daemons() as gone:
        port = gone.port
    for host in site.fleet.hosts.values():
        host.published.update(dict.fromkeys(host.published, port))


def test_every_kind_is_checked_in_order_and_all_is_well(site: Site) -> None:
    said: list[str] = []
    checks = verify(site.target(), said.append)
    assert failed(checks) == {}
    assert list(dict.fromkeys(check.kind for check in checks)) == [
        "answer", "health", "unit", "target", "series",
    ]  # fmt: skip
    assert said[0] == "asking the models"
    assert len(said) == 4
    assert outcome(checks) == ExitCode.OK


def test_every_model_is_asked_in_its_way(site: Site) -> None:
    answers = {c.subject: c.detail for c in site.checks() if c.kind == "answer"}
    assert set(answers) == {"tiny plain", "tiny streamed", "vectors embedding"}
    assert answers["tiny plain"].startswith(f"'{ANSWER}' in ")
    assert "first after" in answers["tiny streamed"]
    assert answers["vectors embedding"] == "2 dimensions"


def test_a_model_that_is_switched_off_is_not_asked(tmp_path: Path, site: Site) -> None:
    off = {**factories.MODELS["vectors"], "enabled": False}
    other = Site(site.daemons, tmp_path, models={**factories.MODELS, "vectors": off})
    assert not any("vectors" in check.subject for check in other.checks())


def test_each_path_of_each_served_role_is_looked_at(site: Site) -> None:
    health = [check.subject for check in site.checks() if check.kind == "health"]
    assert health == [
        "edge-1 gateway /health/live", "edge-1 gateway /health/ready",
        "metrics-1 prometheus /-/healthy", "metrics-1 prometheus /-/ready",
        "metrics-1 alertmanager /-/healthy", "metrics-1 alertmanager /-/ready",
    ]  # fmt: skip


def test_a_path_that_answers_503_is_a_failed_check_with_its_reason(site: Site) -> None:
    site.daemons.statuses["/health/ready"] = 503
    site.daemons.bodies["/health/ready"] = '{"tiny": "no upstream"}'
    checks = site.checks()
    (detail,) = failed(checks).values()
    assert "answered 503" in detail
    assert "no upstream" in detail
    assert outcome(checks) == ExitCode.ERROR


def test_a_unit_that_is_down_fails_and_the_rest_is_checked(site: Site) -> None:
    site.shells.units["data-1"][2] = unit("redis", active="failed", health="")
    checks = site.checks()
    assert failed(checks) == {"data-1 citadel-redis.service": "failed"}
    assert checks[-1].kind == "series"
    assert outcome(checks) == ExitCode.ERROR


def test_a_role_that_was_never_applied_is_named(site: Site) -> None:
    site.shells.units["llm-1"] = [unit("base")]
    assert failed(site.checks()) == {"llm-1 vllm": "not applied"}


def test_a_host_that_is_away_ends_with_4_whatever_fails_on_its_account(site: Site) -> None:
    site.shells.away = {"llm-1"}
    site.daemons.statuses["/v1/chat/completions"] = 503
    checks = site.checks()
    assert set(failed(checks)) == {"tiny plain", "tiny streamed", "llm-1"}
    assert [check.subject for check in checks if not check.reachable] == ["llm-1"]
    assert outcome(checks) == ExitCode.UNREACHABLE


def test_a_host_that_answers_with_an_error_is_not_away(site: Site) -> None:
    site.shells.broken = {"llm-1": "sudo: a password is required"}
    checks = site.checks()
    assert "a password is required" in failed(checks)["llm-1"]
    assert outcome(checks) == ExitCode.ERROR


def test_a_probe_that_prints_something_else_is_a_failed_check(site: Site) -> None:
    site.shells.noise = {"llm-1": "Last login: today"}
    assert "did not list its units" in failed(site.checks())["llm-1"]


def test_listeners_that_nobody_reaches_on_hosts_that_are_well_end_with_4(site: Site) -> None:
    away(site)
    checks = site.checks()
    assert {check.kind for check in checks if not check.ok} == {"answer", "health", "target"}
    assert outcome(checks) == ExitCode.UNREACHABLE


def test_listeners_that_are_away_because_their_unit_is_down_end_with_1(site: Site) -> None:
    away(site)
    site.shells.units["edge-1"][1] = unit("gateway", active="inactive", health="")
    assert outcome(site.checks()) == ExitCode.ERROR


def test_targets_that_are_down_and_series_that_are_missing_fail(site: Site) -> None:
    site.daemons.target, site.daemons.series = "down", False
    checks = site.checks()
    found = failed(checks)
    assert found["base llm-1 10.200.0.11:9100"] == "down"
    assert found["vllm:generation_tokens_total llm-1 10.200.0.11:8201"] == "no such series yet"
    assert outcome(checks) == ExitCode.ERROR


def test_every_daemon_of_the_environment_is_a_target_with_a_series_of_its_own(site: Site) -> None:
    checks = site.checks()
    targets = [c.subject.split() for c in checks if c.kind == "target"]
    series = [c.subject.split() for c in checks if c.kind == "series"]
    # Nodes, two engines and their proxy, workers of the gateway, stores, the monitoring itself.
    assert Counter(job for job, _, _ in targets) == {
        "base": 4, "vllm": 2, "engine_proxy": 1, "gateway": 4, "postgres": 1, "redis": 1,
        "prometheus": 1, "alertmanager": 1,
    }  # fmt: skip
    assert [(host, where) for _, host, where in series] == [(h, w) for _, h, w in targets]


@pytest.mark.parametrize("job", ["base", "vllm", "gateway", "redis"])
def test_a_target_that_prometheus_does_not_have_is_missed(job: str, site: Site) -> None:
    lost = next(one for one in site.daemons.watched if one[0] == job)
    site.daemons.watched.remove(lost)
    checks = site.checks()
    found = {subject.split()[0]: detail for subject, detail in failed(checks).items()}
    assert found.pop(job) == "Prometheus does not watch it"
    # Its series is missing on that instance, though others have it.
    assert list(found.values()) == ["no such series yet"]
    assert all(lost[1] in subject for subject in failed(checks))
    assert outcome(checks) == ExitCode.ERROR


def test_a_target_that_nobody_expects_is_judged_by_its_health(site: Site) -> None:
    site.daemons.watched.append(("guest", "192.0.2.1:1"))
    assert failed(site.checks()) == {}
    site.daemons.target = "down"
    assert failed(site.checks())["guest 192.0.2.1:1"] == "down"


@pytest.mark.parametrize(
    ("hosts", "there", "missing"),
    [
        ({"a": {"roles": ["redis"], "memory": "1GiB"}}, "node_cpu", "redis_commands"),
        ({"a": {"roles": ["redis", "exporters"], "memory": "1GiB"}}, "redis_commands", "pg_stat"),
    ],
)
def test_series_of_stores_are_expected_only_with_exporters(
    hosts: dict[str, Any], there: str, missing: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, site: Site,
) -> None:  # fmt: skip
    hosts["metrics-1"] = {"roles": ["prometheus"], "memory": "1GiB"}
    monkeypatch.setitem(ROLES, "a", ("base", *hosts["a"]["roles"]))
    other = Site(site.daemons, tmp_path, hosts=hosts, models={})
    monkeypatch.setattr(PROCESS_BORDER, Programs(ssh=other.shells))
    series = " ".join(c.subject for c in other.checks() if c.kind == "series")
    assert there in series
    assert missing not in series


def test_an_environment_without_a_gateway_is_asked_nothing(tmp_path: Path, site: Site) -> None:
    hosts = {"data-1": factories.HOSTS["data-1"]}
    other = Site(site.daemons, tmp_path, hosts=hosts, models={})
    checks = other.checks()
    assert {check.kind for check in checks} == {"unit"}
    assert site.daemons.asked == []


def test_a_gateway_that_is_not_made_yet_fails_and_the_rest_is_checked(site: Site) -> None:
    hosts = {name: host for name, host in site.fleet.hosts.items() if name != "edge-1"}
    checks = site.checks(site.fleet.model_copy(update={"hosts": hosts}))
    found = failed(checks)
    assert "has no gateway" in found["gateway"]
    assert "has no host edge-1" in found["edge-1"]
    assert "edge-1 is not in the outputs" in found["prometheus"]
    assert checks[-1].kind == "target"
    assert outcome(checks) == ExitCode.ERROR
