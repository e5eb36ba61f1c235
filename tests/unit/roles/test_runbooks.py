"""Commands of the runbooks name what exists, and reach a host as they are meant."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hxp_enterprise_llm.orchestration.paths import checkout

RUNBOOKS = sorted((checkout() / "docs/runbooks").glob("*.md"))
_UNIT = re.compile(r"citadel-[a-z][a-z-]*[a-z]")
_SSH = re.compile(r"citadel ssh \S+ \S+ -- ([^`\n]+)")


def declared_units() -> set[str]:
    """Return the units of all roles, without instance and suffix."""
    bundles = (checkout() / "roles").glob("*/templates/bundle.yml.j2")
    found = (
        re.findall(r"/etc/systemd/system/(citadel-[a-z-]+)[@.]", bundle.read_text())
        for bundle in bundles
    )
    return {unit for units in found for unit in units}


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda path: path.stem)
def test_each_unit_that_a_runbook_names_is_declared_by_a_role(runbook: Path) -> None:
    assert {"citadel-redis", "citadel-vllm", "citadel-engine-proxy"} <= declared_units()
    assert set(_UNIT.findall(runbook.read_text())) <= declared_units()


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda path: path.stem)
def test_what_needs_a_shell_on_a_host_is_given_to_one(runbook: Path) -> None:
    # `citadel ssh` quotes each word: an operator among them would be a word like others.
    for command in _SSH.findall(runbook.read_text()):
        lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
        assert not {"|", "||", "&&", ";", ">", "<"} & set(words), command
        plain = [word for word in words if "$" in word]
        assert not plain or words[: words.index(plain[0])][-2:] == ["sh", "-c"], command
