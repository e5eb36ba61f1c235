"""Rules and alerts do what they say, by Prometheus' own tool on the hosts' own image."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hxp_enterprise_llm.configuration.report.capacity import MEASURES
from hxp_enterprise_llm.configuration.secrets import Secret
from hxp_enterprise_llm.configuration.secrets.metrics import ages_text
from hxp_enterprise_llm.configuration.secrets.store import SealedStore
from hxp_enterprise_llm.configuration.secrets.watching import AgeWatch
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


def exported(folder: Path, age: timedelta) -> dict[str, str]:
    """Return the series of a sealed file with one secret of an age, by who shows them."""
    folder.mkdir(parents=True)
    store, now = SealedStore(folder), datetime.now(UTC)
    store.set("gateway/key", Secret("k"), made_at=now - age)
    registry = CollectorRegistry()
    found = asyncio.run(AgeWatch(folder, registry).look())
    return {
        "configuration": generate_latest(registry).decode(),
        "base": ages_text(found, now, "t"),
    }


@pytest.mark.feature("CX-03", "CX-05")
@pytest.mark.parametrize(("days", "fires"), [(89, False), (91, True)])
def test_the_alert_on_due_secrets_fires_over_what_service_and_textfile_show(
    image: str, tmp_path: Path, days: int, fires: bool
) -> None:
    shown = exported(tmp_path / ".citadel/t", timedelta(days=days))
    series = []
    for job, text in shown.items():
        for line in text.splitlines():
            if line.startswith("citadel_secret"):
                name, value = line.rsplit(" ", 1)
                labels = f'environment="t",host="{job}-1",job="{job}"'
                # A scrape adds the target's labels.
                labelled = f"{name.partition('{')[0]}{{{labels}}}"
                series.append({"series": labelled, "values": f"{float(value):.0f}x90"})
    firing = [
        {"labels": f'{{alertname="SecretRotationDue",host="{job}-1"}}', "value": 1}
        for job in shown
        if fires
    ]
    case = {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [
            {
                "expr": 'count by (alertname, host) (ALERTS{alertstate="firing"})',
                "eval_time": "75m",
                "exp_samples": firing,
            }
        ],
    }
    shutil.copy(ROLE / "templates/rules/secrets.yml", tmp_path)
    document = {"rule_files": ["secrets.yml"], "evaluation_interval": "1m", "tests": [case]}
    (tmp_path / "test.yml").write_text(json.dumps(document))
    assert "SUCCESS" in promtool(image, "test", "rules", "test.yml", folder=tmp_path)


def test_promtool_accepts_every_query_of_a_report(image: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"report:{number}", "expr": measure.query.replace("WINDOW", "24h")}
        for number, measure in enumerate(MEASURES)
    ]
    document = {"groups": [{"name": "report", "rules": rules}]}
    (tmp_path / "report.yml").write_text(json.dumps(document))
    printed = promtool(image, "check", "rules", "report.yml", folder=tmp_path)
    assert f"SUCCESS: {len(MEASURES)} rules found" in printed
