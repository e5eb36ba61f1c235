"""Every role's scenario: bare check, converge, idempotence, tamper and repair, testinfra."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
ROLES = sorted(path.parent.parent.name for path in (CHECKOUT / "roles").glob("*/molecule/default"))


@pytest.mark.parametrize("role", ROLES)
def test_the_scenario_of_a_role_passes(role: str) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["molecule", "test"],
        cwd=CHECKOUT / "roles" / role,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-8000:]
    assert "no tests found" not in output
    assert " passed" in output
    assert "failed=1" not in output


def test_every_role_has_a_scenario() -> None:
    roles = {path.parent.parent.name for path in (CHECKOUT / "roles").glob("*/tasks/main.yml")}
    assert set(ROLES) == roles
