"""Reading `fleet` from an exported state."""

from __future__ import annotations

from typing import Any

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.stack import fleet_of

FLEET = {"version": 1, "environment": "local", "provider": "local", "hosts": {}}


def state(outputs: dict[str, Any] | None) -> dict[str, Any]:
    root = {"type": "pulumi:pulumi:Stack", "outputs": outputs}
    return {"deployment": {"resources": [root]}}


def test_a_stack_that_made_nothing_has_no_outputs() -> None:
    assert fleet_of("local", None) is None
    assert fleet_of("local", {"deployment": {}}) is None
    assert fleet_of("local", state(None)) is None


def test_the_output_is_read_by_its_model() -> None:
    fleet = fleet_of("local", state({"fleet": FLEET}))
    assert fleet is not None
    assert fleet.environment == "local"


@pytest.mark.parametrize("wrong", [{"version": 2}, {"more": 1}])
def test_another_form_names_the_stack_and_the_command_to_run(wrong: dict[str, Any]) -> None:
    with pytest.raises(CitadelError, match=r"(?s)stack local.*citadel up local"):
        fleet_of("local", state({"fleet": FLEET | wrong}))
