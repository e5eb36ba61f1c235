"""Alerts, their tests and their runbooks belong together; their series are those of the daemons."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
RULES = ROOT / "roles/prometheus/templates/rules"
TESTS = ROOT / "roles/prometheus/tests"
RUNBOOKS = ROOT / "docs/runbooks"


def rules() -> list[dict[str, Any]]:
    return [
        rule
        for file in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert {file.stem for file in RUNBOOKS.glob("*.md")} == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_what_and_where_to_read(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in {"critical", "warning", "info", "none"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook"}
    assert (ROOT / alert["annotations"]["runbook"]).is_file()
    assert Path(alert["annotations"]["runbook"]).stem == name


@pytest.mark.parametrize("name", ALERTS)
def test_a_runbook_says_what_it_means_where_to_look_and_what_to_do(name: str) -> None:
    lines = (RUNBOOKS / f"{name}.md").read_text().splitlines()
    assert lines[0] == f"# {name}"
    assert f"Severity: {ALERTS[name]['labels']['severity']}" in lines
    assert [line for line in lines if line.startswith("## ")] == [
        "## What it means",
        "## Look",
        "## Do",
    ]


def test_links_between_runbooks_lead_somewhere() -> None:
    for file in RUNBOOKS.glob("*.md"):
        for target in re.findall(r"\]\((\w+\.md)\)", file.read_text()):
            assert (RUNBOOKS / target).is_file(), f"{file.name} links to {target}"


def test_each_alert_is_seen_to_fire_in_a_test_of_its_rules() -> None:
    tested = "".join(file.read_text() for file in TESTS.glob("*.yml"))
    silent = [
        name
        for name in ALERTS
        if f'alertname="{name}"' not in tested and f"alertname: {name}" not in tested
    ]
    assert silent == []


def test_the_bundle_ships_and_checks_every_rule_file() -> None:
    bundle = (ROOT / "roles/prometheus/templates/bundle.yml.j2").read_text()
    for file in RULES.glob("*.yml"):
        assert f"dest: rules/{file.name}" in bundle
        assert f"{{tree}}/rules/{file.name}" in bundle


def test_no_rule_asks_for_a_series_that_vllm_has_dropped() -> None:
    gone = re.compile(
        r"vllm:(time_per_output_token|gpu_|cpu_cache|num_requests_swapped|avg_)",
    )
    assert [rule["expr"] for rule in rules() if gone.search(rule["expr"])] == []
