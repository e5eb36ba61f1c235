"""Prometheus scrapes every daemon of the scenario, evaluates its rules and hands alerts on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from testinfra.host import Host

UNIT = "citadel-prometheus.service"
WAIT_SECONDS = 60


def address(host: Host) -> str:
    return str(host.check_output("hostname -I")).split()[0]


def get(host: Host, path: str, port: int = 9090) -> Any:
    url = f"http://{address(host)}:{port}{path}"
    fetch = f"import urllib.request as r; print(r.urlopen('{url}').read().decode())"
    return json.loads(host.check_output(f'python3 -c "{fetch}"'))


def until(look: Callable[[], Any], right: Callable[[Any], bool]) -> Any:
    """Look again and again until it is right or the time is up; return what was seen last."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not right(seen := look()) and time.monotonic() < deadline:
        pass
    return seen


def targets(host: Host) -> dict[str, str]:
    active = get(host, "/api/v1/targets?state=active")["data"]["activeTargets"]
    return {target["labels"]["job"]: target["health"] for target in active}


def test_our_unit_runs_and_starts_with_the_host(host: Host) -> None:
    assert host.service(UNIT).is_running
    assert host.service(UNIT).is_enabled


def test_every_daemon_of_the_scenario_is_scraped(host: Host) -> None:
    wanted = {"base": "up", "prometheus": "up", "alertmanager": "up"}
    assert until(lambda: targets(host), lambda seen: seen == wanted) == wanted


def test_targets_carry_the_labels_that_alerts_use(host: Host) -> None:
    (target,) = [
        target["labels"]
        for target in get(host, "/api/v1/targets")["data"]["activeTargets"]
        if target["labels"]["job"] == "prometheus"
    ]
    assert (target["environment"], target["host"], target["role"]) == (
        "role-prometheus", "metrics-1", "prometheus",
    )  # fmt: skip


def test_every_rule_is_loaded_and_healthy(host: Host) -> None:
    def rules() -> list[tuple[str, str]]:
        groups = get(host, "/api/v1/rules")["data"]["groups"]
        return [(rule["name"], rule["health"]) for group in groups for rule in group["rules"]]

    seen = until(rules, lambda found: all(health == "ok" for _, health in found))
    assert [name for name, health in seen if health != "ok"] == []
    assert {"TargetDown", "EngineStalled", "PostgresDown", "Watchdog"} <= {name for name, _ in seen}


def test_the_watchdog_reaches_alertmanager(host: Host) -> None:
    def alerts() -> set[str]:
        return {alert["labels"]["alertname"] for alert in get(host, "/api/v2/alerts", 9093)}

    assert "Watchdog" in until(alerts, lambda seen: "Watchdog" in seen)


def test_samples_are_kept_on_the_data_volume_for_the_days_asked(host: Host) -> None:
    flags = get(host, "/api/v1/status/flags")["data"]
    assert flags["storage.tsdb.path"] == "/opt/data/prometheus"
    assert flags["storage.tsdb.retention.time"] == "3d"
    assert flags["web.enable-lifecycle"] == "false"
    assert flags["web.enable-admin-api"] == "false"


def test_a_reload_keeps_the_process(host: Host) -> None:
    show = f"systemctl show -p MainPID --value {UNIT}"
    before = host.check_output(show)
    with host.sudo():
        host.check_output(f"systemctl reload {UNIT}")
    assert host.check_output(show) == before
