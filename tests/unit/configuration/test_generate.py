from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, Field

from hxp_enterprise_llm.configuration.effects import leaves
from hxp_enterprise_llm.configuration.fields import fields_of, members
from hxp_enterprise_llm.configuration.generate import __main__ as command
from hxp_enterprise_llm.configuration.generate import generated, stale, write
from hxp_enterprise_llm.configuration.generate.roles import argument_specs, defaults, role_models
from hxp_enterprise_llm.configuration.generate.types import meaning_of
from hxp_enterprise_llm.configuration.json_schema import environment_schema
from hxp_enterprise_llm.configuration.rules import REGISTRY
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.orchestration.resolvers import resolve
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.factory import OURS
from hxp_enterprise_llm.schemas.reference import SecretReference
from hxp_enterprise_llm.schemas.roles.role import RoleData
from hxp_enterprise_llm.testing.factories import HOSTS, context


class Inner(BaseModel):
    """An inner thing."""

    name: str = Field(description="Its name.")


class SampleRole(RoleData):
    """A sample.

    More words.
    """

    packages: tuple[str, ...] = ("sample",)
    port: int = Field(default=1, description="TCP port.")
    address: str = Field(description="Address.")
    limit: int | None = Field(description="A limit, or none.")
    password: SecretReference = Field(default="generated:a", description="Password.")
    inner: tuple[Inner, ...] = Field(default=(), description="Inner things.")
    engine: dict[str, bool | str] = Field(default_factory=dict, description="Arguments.")


def test_generation_is_the_same_twice_and_says_that_it_is_generated() -> None:
    first = generated()
    assert first == generated()
    assert all("enerated by `make generate`" in text for text in first.values())


def test_what_is_written_is_fresh_and_what_is_touched_is_named(tmp_path: Path) -> None:
    assert set(write(tmp_path)) == set(generated())
    assert stale(tmp_path) == []
    (tmp_path / "docs/reference/rules.md").write_text("edited by hand")
    (tmp_path / "stacks/environment.schema.json").unlink()
    assert stale(tmp_path) == ["stacks/environment.schema.json", "docs/reference/rules.md"]
    assert write(tmp_path) == ["stacks/environment.schema.json", "docs/reference/rules.md"]


def test_check_fails_and_names_the_stale_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "checkout", lambda: tmp_path)
    assert command.main(["--check"]) == 1
    assert "docs/reference/environment.md" in capsys.readouterr().err
    assert command.main([]) == 0
    assert command.main(["--check"]) == 0


def test_an_argument_spec_says_type_need_and_meaning_of_each_value() -> None:
    spec = yaml.safe_load(argument_specs("sample", SampleRole))["argument_specs"]["main"]
    assert spec["short_description"] == "A sample."
    variable = spec["options"]["citadel_sample"]
    assert (variable["type"], variable["required"]) == ("dict", True)
    assert variable["options"] == {
        "packages": {
            "type": "list",
            "elements": "str",
            "description": "Debian packages that the role's services come from.",
        },
        "port": {"type": "int", "description": "TCP port."},
        "address": {"type": "str", "required": True, "description": "Address."},
        "limit": {"type": "int", "required": False, "description": "A limit, or none."},
        "password": {"type": "str", "description": "Password."},
        "inner": {
            "type": "list",
            "elements": "dict",
            "options": {"name": {"type": "str", "required": True, "description": "Its name."}},
            "description": "Inner things.",
        },
        "engine": {"type": "dict", "description": "Arguments."},
    }


@pytest.mark.parametrize("role", sorted(role_models()))
def test_ansible_takes_what_is_resolved_and_refuses_what_is_not(role: str) -> None:
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    spec = yaml.safe_load(argument_specs(role, role_models()[role]))
    validator = ArgumentSpecValidator(spec["argument_specs"]["main"]["options"])
    seen = resolved_roles()[role].model_dump(mode="json")
    assert validator.validate({f"citadel_{role}": seen}).error_messages == []
    assert validator.validate({}).error_messages
    assert validator.validate({f"citadel_{role}": {**seen, "typo": 1}}).error_messages


def resolved_roles() -> dict[str, RoleData]:
    edge = {"roles": ["gateway", "configuration"], "memory": "1GiB"}
    seen = context(hosts={**HOSTS, "edge-1": edge})
    return {
        role: data for host in seen.environment.hosts for role, data in resolve(seen, host).items()
    }


def test_defaults_of_a_role_are_those_of_its_model() -> None:
    assert yaml.safe_load(defaults("sample", SampleRole)) == {
        "citadel_sample": {
            "packages": ["sample"],
            "port": 1,
            "password": "generated:a",
            "inner": [],
            "engine": {},
        }
    }


def test_every_role_of_the_schemas_is_found() -> None:
    models = role_models()
    assert {"postgres", "redis", "prometheus", "alertmanager", "exporters"} <= set(models)
    assert all(issubclass(model, RoleData) for model in models.values())


def test_the_schema_knows_extends_and_requires_nothing() -> None:
    schema = environment_schema()
    assert list(schema["properties"])[:3] == ["schema", "extends", "provider"]
    assert '"required"' not in json.dumps(schema)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("name", ["base", "local", "onprem"])
def test_an_editor_accepts_the_committed_environments(name: str) -> None:
    path = checkout() / "stacks" / "environments" / f"{name}.yaml"
    assert editor_finds(yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize(
    "document",
    [
        {"hostss": {}},
        {"hosts": {"a": {"memory": "8GB"}}},
        {"hosts": {"Bad_Name": {}}},
        {"integration_services": {"database": {"password": "hunter2"}}},
        {"infrastructure_services": {"api_gateway": {"workers": "many"}}},
    ],
)
def test_an_editor_shows_mistakes_while_they_are_typed(document: dict[str, Any]) -> None:
    assert len(editor_finds(document)) == 1


def editor_finds(document: dict[str, Any]) -> list[Any]:
    # The library has no types of its own.
    validator: Any = import_module("jsonschema").Draft202012Validator
    return list(validator(environment_schema()).iter_errors(document))


def test_the_schema_lets_null_take_an_entry_of_a_map_away() -> None:
    hosts = environment_schema()["properties"]["hosts"]
    entries: list[Any] = [*hosts.get("patternProperties", {}).values()]
    assert entries
    assert all({"type": "null"} in entry["anyOf"] for entry in entries)


def test_the_rules_page_has_every_rule() -> None:
    page = generated()["docs/reference/rules.md"]
    assert all(f"## {identity}\n" in page for identity in REGISTRY)


def test_the_environment_page_has_every_key_with_its_unit() -> None:
    page = generated()["docs/reference/environment.md"]
    assert "| `hosts.NAME.memory` | size | **required** | bytes |" in page
    assert (
        "| `infrastructure_services.api_gateway.timeout` | duration | `300.0` | seconds |" in page
    )
    assert "| `waivers.N.until` | date | **required** |" in page


def column(page: str, name: str) -> dict[str, set[str]]:
    """Return what the tables of a page say in a column, by key; `*` for NAME and N."""
    found: dict[str, set[str]] = {}
    place = 0
    for line in page.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
        if cells[1:2] == ["key"]:
            place = cells.index(name)
        elif line.startswith("| `"):
            path = re.sub(r"\b(NAME|N)\b", "*", cells[1].strip("`"))
            found.setdefault(path, set()).add(cells[place].strip("`"))
    return found


def declared_in(*models: type[BaseModel]) -> dict[str, set[str]]:
    """Return the effects of all keys of some models, by their paths on the pages."""
    found: dict[str, set[str]] = {}
    for model in models:
        for path, effect in leaves(model):
            found.setdefault(".".join(map(str, path)), set()).add(str(effect))
    return found


def test_the_pages_show_the_effect_of_a_change_of_every_key() -> None:
    pages = generated()
    assert column(pages["docs/reference/environment.md"], "on change") == declared_in(Environment)
    assert column(pages["docs/reference/services.md"], "on change") == declared_in(*OURS.values())
    # What comes or goes as a whole has the effect of its map.
    hosts = pages["docs/reference/environment.md"].partition("\n## hosts\n")[2].partition("##")[0]
    assert "An entry that comes or goes: `dangerous`." in hosts


def test_every_key_of_an_environment_has_a_description() -> None:
    assert [
        path for path, model, name in _all(Environment, "") if not _described(model, name)
    ] == []


def _described(model: type[BaseModel], name: str) -> bool:
    return meaning_of(model, name) != name.replace("_", " ").capitalize() + "."


def _all(model: type[BaseModel], at: str) -> list[tuple[str, type[BaseModel], str]]:
    found = []
    for name, field in model.model_fields.items():
        found.append((f"{at}{name}", model, name))
        for kind in members(field.annotation):
            for inner in (kind, *getattr(kind, "__args__", ())):
                if isinstance(inner, type) and issubclass(inner, BaseModel):
                    assert fields_of(inner)
                    found += _all(inner, f"{at}{name}.")
    return found
