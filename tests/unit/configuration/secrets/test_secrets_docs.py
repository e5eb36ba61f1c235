"""What the page on secrets shows runs, and names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, Metric

from hxp_enterprise_llm.cli.secrets import app
from hxp_enterprise_llm.configuration.secrets.backends import aws, kubernetes
from hxp_enterprise_llm.configuration.secrets.keyring import ROTATE_EVERY
from hxp_enterprise_llm.configuration.secrets.metrics import SecretMetrics
from hxp_enterprise_llm.configuration.secrets.vault import stamps
from hxp_enterprise_llm.testing.pages import examples, run_example

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs/concepts/secrets.md").read_text()
HOW_TO = (ROOT / "docs/how-to/rotate-secrets.md").read_text()


def test_the_example_reads_what_a_rule_allows_and_records_what_it_refuses(tmp_path: Path) -> None:
    (example,) = examples(PAGE)
    assert run_example(example, tmp_path).splitlines() == [
        "Secret(…) 4",
        "gateway may not read secret memory:postgres/admin",
        "['ok', 'ok', 'ok', 'denied']",
    ]


@pytest.mark.feature("CX-03")
def test_the_page_says_of_each_backend_how_old_its_secrets_are() -> None:
    section = PAGE.partition("## Age and rotation")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", section, re.MULTILINE)[1:]
    assert [name for name, limit in rows if limit] == [
        "sealed file",
        "Vault, OpenBao",
        "Kubernetes",
        "AWS",
        "`file:`",
        "`env:`, `credential:`",
    ]
    assert f"{ROTATE_EVERY.days} days" in section


def test_the_labels_of_the_page_are_those_that_backends_read() -> None:
    for label in (kubernetes.DAYS, aws.DAYS, stamps.DAYS):
        assert f"`{label}`" in HOW_TO


def test_the_pages_name_commands_that_exist() -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    runbooks = [file.read_text() for file in ROOT.glob("docs/runbooks/Secret*.md")]
    pages = [PAGE, HOW_TO, *runbooks]
    named = {name for page in pages for name in re.findall(r"citadel secrets (\w+)", page)}
    assert named <= commands
    assert {
        "due",
        "rule",
        "set",
        "rotate",
        "rekey",
        "audit",
        "doctor",
        "backup",
        "restore",
    } <= named


@pytest.mark.feature("CX-03", "CX-05")
def test_every_series_of_the_alerts_on_secrets_is_one_that_we_show() -> None:
    metrics = SecretMetrics(CollectorRegistry())
    metrics.ages  # noqa: B018 # shown from the first look on
    shown = {sample for family in metrics.registry.collect() for sample in _names(family)}
    rules = yaml.safe_load((ROOT / "roles/prometheus/templates/rules/secrets.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        named = set(re.findall(r"citadel_\w+", rule["expr"]))
        assert named, rule["alert"]
        assert named <= shown, rule["alert"]


def _names(family: Metric) -> set[str]:
    return {family.name, f"{family.name}_total"} if family.type == "counter" else {family.name}
