"""Rules and alerts do what they say, by Prometheus' own tool on the hosts' own image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.report.capacity import MEASURES
from providers.local.build import ensure_image
from providers.local.podman import limits, podman, runtime

ROLE = Path(__file__).parents[2] / "roles/prometheus"
RULES = sorted(file.name for file in (ROLE / "templates/rules").glob("*.yml"))
TESTS = sorted(file.name for file in (ROLE / "tests").glob("*.yml"))


@pytest.fixture(scope="module")
def image() -> str:
    return ensure_image("full", print)


def promtool(image: str, *arguments: str, folder: Path = ROLE) -> str:
    place = ("--volume", f"{folder}:/role:ro", "--workdir", "/role")
    command = ("run", "--rm", "--network", "none", *runtime(), *limits(), *place)
    return podman(*command, image, "promtool", *arguments)


def test_promtool_accepts_every_rule_file(image: str) -> None:
    printed = promtool(image, "check", "rules", *(f"/role/templates/rules/{n}" for n in RULES))
    assert printed.count("SUCCESS") == len(RULES)


def test_alerts_fire_when_they_must_and_only_then(image: str) -> None:
    printed = promtool(image, "test", "rules", *(f"tests/{name}" for name in TESTS))
    assert printed.count("SUCCESS") == len(TESTS)


def test_promtool_accepts_every_query_of_a_report(image: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"report:{number}", "expr": measure.query.replace("WINDOW", "24h")}
        for number, measure in enumerate(MEASURES)
    ]
    document = {"groups": [{"name": "report", "rules": rules}]}
    (tmp_path / "report.yml").write_text(json.dumps(document))
    printed = promtool(image, "check", "rules", "report.yml", folder=tmp_path)
    assert f"SUCCESS: {len(MEASURES)} rules found" in printed
