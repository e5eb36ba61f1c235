"""What the page on security shows runs, and its tables say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from hxp_enterprise_llm.configuration.security.access import STANDARD_ROLES
from hxp_enterprise_llm.configuration.security.anomalies import Kind
from hxp_enterprise_llm.configuration.security.compliance import CHECKS
from hxp_enterprise_llm.configuration.security.policies import POLICIES
from hxp_enterprise_llm.testing.pages import examples, run_example

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs/concepts/security.md").read_text()


def row(name: str) -> list[str]:
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_example_runs_without_a_warning(tmp_path: Path) -> None:
    (example,) = examples(PAGE)
    assert run_example(example, tmp_path) == "tuner\nsecurity.forbidden\nFalse\n"


def test_the_table_of_levels_is_that_of_the_policies() -> None:
    assert row("level") == [level.value for level in POLICIES]
    policies = POLICIES.values()
    assert row("shortest password") == [str(one.passwords.shortest) for one in policies]
    assert row("signed revisions") == ["yes" if one.signed else "–" for one in policies]
    sealed = ["yes" if one.encrypted and one.tls else "–" for one in policies]
    assert row("sealed copies (AES-256-GCM), TLS") == sealed
    most = [str(one.administrators or "any") for one in policies]
    assert row("administrators at most") == most
    assert row("audit records kept") == [f"{one.keep_audit.days} d" for one in policies]
    units = {"d": 86_400, "h": 3_600, "min": 60}
    told = [re.findall(r"(\d+) (\w+)", cell) for cell in row("session: lifetime / idle")]
    seconds = [[int(number) * units[unit] for number, unit in cell] for cell in told]
    assert seconds == [[one.sessions.lifetime, one.sessions.idle] for one in policies]


def test_kinds_roles_and_checks_are_named() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)) == set(Kind)
    assert all(f"`{role.name}`" in PAGE for role in STANDARD_ROLES)
    assert f"{CHECKS[0].id} to {CHECKS[-1].id}" in PAGE
