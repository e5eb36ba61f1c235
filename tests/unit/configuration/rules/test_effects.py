"""Whoever writes a setting that nothing reads yet is told so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.configuration.rules.effects import WITHOUT_EFFECT
from hxp_enterprise_llm.orchestration.resolvers import resolve
from hxp_enterprise_llm.schemas.base import WrittenModel
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.security import SecuritySettings
from hxp_enterprise_llm.testing import factories

PLAIN = "schema: 1\nprovider: {kind: local}\nhosts: {data-1: {roles: [redis], memory: 1GiB}}\n"


def warnings(folder: Path, text: str) -> list[str]:
    file = folder / "lab.yaml"
    file.write_text(PLAIN + text)
    return [found.code for found in load(str(file)).warnings]


def test_a_written_setting_without_effect_is_a_warning(tmp_path: Path) -> None:
    text = "infrastructure_services: {api_gateway: {rate_limit_rps: 50}}\n"
    assert "C390" in warnings(tmp_path, text)


def test_a_default_is_not(tmp_path: Path) -> None:
    assert "C390" not in warnings(tmp_path, "integration_services: {cache: {port: 6380}}\n")


@pytest.mark.parametrize("path", WITHOUT_EFFECT)
def test_every_path_of_the_table_is_a_field_of_the_contract(path: tuple[str, ...]) -> None:
    model: object = Environment
    for key in path:
        fields = model.model_fields  # type: ignore[attr-defined]  # walks classes by name
        assert key in fields
        model = fields[key].annotation


# Base makes these folders; weights and configuration lie elsewhere all the same.
ONLY_MADE = {
    ("infrastructure_services", "configuration", "config_path"),
    ("infrastructure_services", "storage", "model_storage_path"),
}


# Sections that a service gets as they are.
HANDED_ON = {SecuritySettings}


def leaves(model: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    """Yield the path, the model and the name of each field with a choice that is not derived."""
    for name, field in model.model_fields.items():
        kind: Any = field.annotation
        if isinstance(kind, type) and issubclass(kind, WrittenModel) and kind not in HANDED_ON:
            yield from leaves(kind, (*at, name))
        elif "Derived" not in (field.description or "") and str(kind) != "typing.Literal[True]":
            yield (*at, name), model, name


def handed_on(value: Any) -> Iterator[type[WrittenModel]]:
    """Yield the sections that stand in resolved data as a whole: who gets them reads them."""
    if isinstance(value, WrittenModel):
        yield type(value)
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from handed_on(getattr(value, name))
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from handed_on(item)


def test_the_table_names_what_no_resolver_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = {**factories.HOSTS, "config-1": {"roles": ["configuration"], "memory": "1GiB"}}
    context = factories.context(hosts=hosts)
    read: set[tuple[type, str]] = set()

    def noted(self: WrittenModel, name: str) -> Any:
        read.add((type(self), name))
        return super(WrittenModel, self).__getattribute__(name)

    with monkeypatch.context() as patch:
        patch.setattr(WrittenModel, "__getattribute__", noted, raising=False)
        resolved = [resolve(context, host) for host in hosts]
    for section in handed_on(resolved):
        read |= {(section, name) for name in section.model_fields}
    fields = Environment.model_fields
    unread = {
        path
        for top in ("infrastructure_services", "integration_services")
        for path, model, name in leaves(fields[top].annotation, (top,))
        if (model, name) not in read
    }
    named = {path for path in unread if any(path[: len(own)] == own for own in WITHOUT_EFFECT)}
    assert unread == named, "nothing reads these: add them to WITHOUT_EFFECT"
    covered = {own for own in WITHOUT_EFFECT if any(path[: len(own)] == own for path in unread)}
    assert set(WITHOUT_EFFECT) - ONLY_MADE == covered, "something reads these now"
