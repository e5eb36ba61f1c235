"""What the action plugins say when something is wrong, and when they call a host."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ACTIONS = Path(__file__).parents[3] / "playbooks/plugins/action"
HOST: dict[str, Any] = {"inventory_hostname": "data-1"}


def action(name: str, calls: list[tuple[str, Any]], **arguments: Any) -> Any:
    """Return a plugin with a task's arguments; calls of its host are noted, and go well."""
    spec = importlib.util.spec_from_file_location(f"action_{name}", ACTIONS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    task = SimpleNamespace(action=name, args=arguments, async_val=0, check_mode=False)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp/x"))
    made = module.ActionModule(task, connection, None, None, None)

    def execute(module: str, arguments: Any, task_vars: Any) -> dict[str, Any]:
        calls.append((module, arguments))
        return {"changed": True}

    made._execute_module = execute
    return made


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("citadel_artifacts", {"role": "redis"}),
        ("citadel_bundle", {"role": "redis"}),
        ("citadel_packages", {"role": "redis"}),
        ("citadel_state", {}),
    ],
)
def test_without_an_environment_as_inventory_the_task_fails_and_says_what_to_do(
    name: str, arguments: dict[str, Any]
) -> None:
    calls: list[tuple[str, Any]] = []
    result = action(name, calls, **arguments).run(task_vars=HOST)
    assert result["failed"]
    assert "stacks/environments/NAME.yaml" in result["next_step"]
    assert "stacks/environments/NAME.yaml" not in result["msg"]
    assert calls == []


@pytest.mark.parametrize(("held", "called"), [({"redis-server": "7"}, False), ({}, True)])
def test_packages_are_asked_of_a_host_only_when_one_is_missing(
    held: dict[str, str], *, called: bool
) -> None:
    calls: list[tuple[str, Any]] = []
    role = {"packages": ["redis-server"]}
    variables = HOST | {"citadel_redis": role, "citadel_host_state": {"packages": held}}
    result = action("citadel_packages", calls, role="redis").run(task_vars=variables)
    assert result == {"changed": called}
    assert calls == ([("citadel_packages", {"names": ["redis-server"]})] if called else [])


def test_artifacts_that_a_host_has_are_not_placed_again() -> None:
    calls: list[tuple[str, Any]] = []
    variables = HOST | {"citadel_redis": {"artifacts": []}}
    result = action("citadel_artifacts", calls, role="redis").run(task_vars=variables)
    assert (result, calls) == ({"changed": False}, [])
