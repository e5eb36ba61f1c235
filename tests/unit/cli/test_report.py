"""`citadel config report` on an environment that was brought up, changed and is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hxp_enterprise_llm.cli.report import Level, ReportForm
from hxp_enterprise_llm.schemas.security import SecurityLevel
from hxp_enterprise_llm.testing.world import World

SECTIONS = [
    "analysis",
    "unused",
    "defaults",
    "risks",
    "compliance",
    "drift",
    "capacity",
    "trends",
    "practices",
    "recommendations",
]


def report(world: World, *words: str) -> dict[str, Any]:
    """Return the sections of a report by their ids."""
    shown = world.document("config", "report", "demo", *words)
    return {section["id"]: section for section in shown["sections"]}


def beside(world: World, name: str, old: str, new: str) -> Path:
    """Write another environment: `demo` with something changed."""
    path = world.file.with_name(f"{name}.yaml")
    path.write_text(world.file.read_text().replace(old, new))
    return path


def test_levels_are_those_of_the_policies() -> None:
    assert {item.value for item in Level} == {item.value for item in SecurityLevel}
    assert {item.value for item in ReportForm} == {"text", "json", "html"}


@pytest.mark.feature("CU-02", "CU-03")
def test_before_the_first_up_nothing_is_measured_and_nothing_is_fetched(world: World) -> None:
    found = report(world)
    assert list(found) == SECTIONS
    assert found["capacity"]["note"] == "not measured: environment demo was never brought up"
    assert found["trends"]["note"] == "nothing was applied yet"
    assert world.called("pulumi") == []


@pytest.mark.feature("CU-02", "CU-03")
def test_an_environment_that_is_up_is_measured_and_its_revisions_show_trends(world: World) -> None:
    world.citadel("up", "demo")
    world.file.write_text(
        world.file.read_text().replace("workers: 1}", "workers: 1, timeout: 200}")
    )
    world.citadel("up", "demo", "--reason", "300 was long")
    row = {"metric": {"host": "llm-1", "model_name": "tiny", "job": "vllm"}, "value": [0, "0.95"]}
    world.daemons.bodies["/api/v1/query"] = json.dumps(
        {"status": "success", "data": {"result": [row]}}
    )
    found = report(world, "--window", "7d")
    assert found["capacity"]["note"] == "measured over 7d"
    hints = {item["path"]: item for item in found["capacity"]["items"]}
    assert hints["models.tiny.engine.kv_cache_memory_bytes"]["level"] == "risk"
    newest = found["trends"]["table"][0]
    assert (newest["changes"], newest["gravest"], newest["why"]) == ("1", "drain", "300 was long")
    first = found["recommendations"]["table"][0]
    assert first["for"] == "risk"
    assert any(
        "models.tiny.engine.kv_cache_memory_bytes" in row["keys"]
        for row in found["recommendations"]["table"]
    )


@pytest.mark.feature("CU-02")
def test_prometheus_that_is_away_leaves_the_rest_of_the_report(world: World) -> None:
    world.citadel("up", "demo")
    world.daemons.statuses["/api/v1/query"] = 500
    found = report(world)
    assert "answered 500" in found["capacity"]["note"]
    assert found["trends"]["table"]
    world.engine.made = False
    assert "has no stack yet" in report(world)["capacity"]["note"]


@pytest.mark.feature("CU-02")
def test_it_is_compared_with_all_others_or_with_those_that_are_named(world: World) -> None:
    beside(world, "other", "workers: 1}", "workers: 3}")
    beside(world, "third", "workers: 1}", "workers: 5}")
    beside(world, "wrong", "workers: 1}", "workers: many}")
    drift = report(world)["drift"]
    workers = {"key": "infrastructure_services.api_gateway.workers", "demo": "1"}
    assert {**workers, "other": "3", "third": "5"} in drift["table"]
    assert any(
        item["message"] == "wrong has errors and is not compared." for item in drift["items"]
    )
    only = report(world, "--against", "third")["drift"]
    assert {**workers, "third": "5"} in only["table"]


@pytest.mark.feature("CU-02")
def test_compliance_is_held_against_the_level_that_is_asked(world: World) -> None:
    outcomes = {
        level: {
            row["check"]: row["outcome"]
            for row in report(world, "--level", level)["compliance"]["table"]
        }
        for level in ("low", "high")
    }
    assert (outcomes["low"]["S501"], outcomes["high"]["S501"]) == ("not-asked", "fail")


@pytest.mark.feature("CU-02", "CU-03")
def test_text_and_page_show_every_section(world: World) -> None:
    text = world.citadel("config", "report", "demo")
    data = json.loads(world.citadel("config", "report", "demo", "--format", "json"))
    assert [section["id"] for section in data["sections"]] == SECTIONS
    page = world.citadel("config", "report", "demo", "--format", "html")
    assert text.startswith("demo, ")
    assert page.startswith("<!doctype html>\n")
    for title in ("Unused keys", "Risky settings", "Trends over revisions", "Recommendations"):
        assert f"\n{title}\n" in text
        assert f"<h2>{title}</h2>" in page
    for section in SECTIONS:
        assert f'<section id="{section}">' in page


def test_a_window_that_is_no_time_is_refused(world: World) -> None:
    error = world.document("config", "report", "demo", "--window", "soon", code=3)["error"]
    assert error["message"] == "'soon' is no time"
    assert error["next_step"] == "Write 30m, 24h, 7d or 4w."
