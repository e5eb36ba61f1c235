"""`citadel config compliance`: what a level asks, held against an environment."""

from __future__ import annotations

from typing import Any

import pytest

from hxp_enterprise_llm.configuration.security.compliance import CHECKS
from hxp_enterprise_llm.core.exceptions import ExitCode
from hxp_enterprise_llm.testing.world import World

pytestmark = pytest.mark.feature("CC-06")
SETTINGS = """\
  configuration:
    principals: [{id: ada, roles: [operator]}, {id: root, roles: [administrator]}]
    security: {level: high, sessions: {idle: 5m}}
"""


def outcomes(world: World, *words: str) -> dict[str, str]:
    document = world.document("config", "compliance", "demo", *words, code=ExitCode.ERROR)
    assert document["compliant"] is False
    assert set(document["counts"]) == {"pass", "fail", "unknown", "not-asked"}
    found: list[dict[str, Any]] = document["findings"]
    assert [one["id"] for one in found] == [check.id for check in CHECKS]
    return {one["id"]: one["outcome"] for one in found}


def secured(world: World) -> None:
    world.file.write_text(world.file.read_text().rstrip("\n") + "\n" + SETTINGS)


def test_the_level_is_the_environments_own_unless_another_is_asked(world: World) -> None:
    assert outcomes(world)["S501"] == "not-asked"
    assert outcomes(world, "--level", "high")["S501"] == "fail"
    secured(world)
    own = outcomes(world)
    assert own["S501"] == own["S502"] == "fail", "no TLS, and PostgreSQL encrypts nothing"
    assert own["S101"] == own["S102"] == own["S103"] == own["S104"] == "pass"


def test_a_service_that_is_guarded_less_than_is_asked_fails(world: World) -> None:
    found = outcomes(world, "--level", "critical")
    assert found["S103"] == "fail", "its sessions are those of level medium"
    assert found["S104"] == "fail"


def test_people_read_what_fails_first_and_what_to_do(world: World) -> None:
    secured(world)
    lines = world.citadel("config", "compliance", "demo", code=ExitCode.ERROR).splitlines()
    assert lines[0].startswith("security level high, ")
    assert lines[1].startswith("fail ")
    assert lines[2].startswith(" "), "the next step"
    assert lines[-1] == "not compliant"
    assert any("session" in line and "300" in line for line in lines)
