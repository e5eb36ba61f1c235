"""Whoever writes a setting that nothing reads yet is told so."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.configuration.rules.effects import WITHOUT_EFFECT
from hxp_enterprise_llm.schemas.environment import Environment

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
