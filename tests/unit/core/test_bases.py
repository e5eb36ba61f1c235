"""Each part of Citadel has its base: what it gives, and that nothing goes its own way beside it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from pathlib import Path
from typing import Any, get_args

import pytest
from ansible.plugins.action import ActionBase
from pydantic import BaseModel, ValidationError
from tests.unit.core.demo import DemoService

import hxp_enterprise_llm
from hxp_enterprise_llm.core.exceptions import RefusedError
from hxp_enterprise_llm.core.service import BaseService
from hxp_enterprise_llm.orchestration.bundle.action import CitadelAction
from hxp_enterprise_llm.orchestration.resolvers import resolve
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.hosts import RoleName
from hxp_enterprise_llm.schemas.roles.role import RoleData
from hxp_enterprise_llm.testing.service_contract import ServiceContract
from providers import plugin

pytestmark = pytest.mark.feature("CO-09")

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "hxp_enterprise_llm"


def modules() -> list[Any]:
    found = pkgutil.walk_packages(hxp_enterprise_llm.__path__, f"{PACKAGE}.")
    return [importlib.import_module(one.name) for one in found if "__main__" not in one.name]


def below(base: type) -> set[type]:
    """Return what is derived from a base, ours only, tests left out."""
    modules()
    found, left = set[type](), [base]
    while left:
        kinds: list[type] = left.pop().__subclasses__()
        left += kinds
        found |= {kind for kind in kinds if kind.__module__.startswith(PACKAGE)}
    return found


def abstract(base: type) -> set[str]:
    return set(getattr(base, "__abstractmethods__", ()))


def test_service_base_classes_carry_whatever_runs_for_long() -> None:
    assert abstract(BaseService) == {"on_start"}
    names = {kind.__name__ for kind in below(BaseService)}
    assert {
        "ConfigurationService",
        "ConfigurationSecurity",
        "GatewayService",
        "VllmService",
    } <= names
    # Nobody else has the words of a lifecycle.
    for module in modules():
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if kind.__module__ == module.__name__ and {"run_until_signal", "drain"} & set(
                vars(kind)
            ):
                assert issubclass(kind, BaseService), f"{module.__name__}.{name}"


def test_configuration_base_classes_make_every_model_frozen_closed_and_silent() -> None:
    assert below(BaseModel) == below(CitadelModel) | {CitadelModel}
    assert len(below(CitadelModel)) > 150
    for kind in below(CitadelModel):
        config: Any = kind.model_config  # type: ignore[attr-defined]
        assert config["hide_input_in_errors"], kind
        assert (config["extra"], config["frozen"]) == ("forbid", True), kind

    class Demo(CitadelModel):
        password: int

    with pytest.raises(ValidationError, match="valid integer") as caught:
        Demo.model_validate({"password": "hunter22"})
    assert "hunter22" not in str(caught.value)
    with pytest.raises(ValidationError, match="Extra inputs"):
        Demo.model_validate({"password": 1, "passwort": 2})
    with pytest.raises(ValidationError, match="frozen"):
        Demo(password=1).password = 2


async def test_testing_base_classes_are_tests_that_a_subclass_takes_over() -> None:
    tests = {name for name in vars(ServiceContract) if name.startswith("test_")}
    assert abstract(ServiceContract) == {"make"}
    assert len(tests) == 7

    class TestOurs(ServiceContract):
        def make(self) -> DemoService:
            return DemoService()

    for name in tests:
        await getattr(TestOurs(), name)()
    # Fakes and the real thing are held to one contract each: all of them in one module.
    contracts = importlib.import_module(f"{PACKAGE}.testing.contracts")
    kinds = [kind for name, kind in vars(contracts).items() if name.endswith("Contract")]
    assert len(kinds) >= 5
    assert all(abstract(kind) for kind in kinds)


def test_orchestration_base_classes_are_one_for_ansible_s_actions() -> None:
    assert abstract(CitadelAction) == {"act"}
    assert issubclass(CitadelAction, ActionBase)
    files = sorted((ROOT / "playbooks/plugins/action").glob("*.py"))
    assert len(files) >= 5
    for file in files:
        spec = importlib.util.spec_from_file_location(f"bases_{file.stem}", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert issubclass(module.ActionModule, CitadelAction), file
        # What the base does alike is not done again.
        assert "run" not in vars(module.ActionModule), file


def test_an_action_that_is_refused_fails_with_its_next_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Refusing(CitadelAction):
        def act(self, variables: Any) -> Any:
            raise RefusedError(f"no {variables['role']}", next_step="Add it.")

    monkeypatch.setattr(ActionBase, "run", lambda *_: {"changed": False})
    action = object.__new__(Refusing)
    assert action.run(None, {"role": "redis"}) == {
        "changed": False,
        "failed": True,
        "msg": "no redis",
        "next_step": "Add it.",
    }


def test_orchestration_base_classes_are_one_for_the_data_of_roles() -> None:
    of_roles = {
        role: importlib.import_module(f"{PACKAGE}.orchestration.resolvers.{role}").resolve
        for role in ("base", *get_args(RoleName))
    }
    for role, made_by in of_roles.items():
        kind = inspect.get_annotations(made_by, eval_str=True)["return"]
        assert issubclass(kind, RoleData), role
    kinds = {inspect.get_annotations(one, eval_str=True)["return"] for one in of_roles.values()}
    assert below(RoleData) == kinds
    assert inspect.get_annotations(resolve, eval_str=True)["return"] == dict[str, RoleData]


def test_orchestration_base_classes_are_one_for_what_pulumi_makes() -> None:
    assert abstract(plugin.Resource) == {"create", "read", "delete"}
    assert abstract(plugin.MutableResource) == {"create", "read", "update", "delete"}
    for kind in ("local.host", "local.image", "local.network", "local.volume", "ssh.host"):
        importlib.import_module(f"providers.{kind}")
    served = {*plugin.Resource.__subclasses__(), *plugin.MutableResource.__subclasses__()}
    names = {f"{kind.__module__}.{kind.__name__}" for kind in served}
    assert {
        *("providers.local.host.Host", "providers.local.image.Image"),
        *("providers.local.network.Network", "providers.local.volume.Volume"),
        "providers.ssh.host.Host",
    } <= names
