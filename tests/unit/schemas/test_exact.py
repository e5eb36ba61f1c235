"""What people write is taken as it stands: no text becomes a number, no number a switch."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from hxp_enterprise_llm.configuration.effects import leaves
from hxp_enterprise_llm.configuration.fields import field_at, members
from hxp_enterprise_llm.configuration.schema_validator import SchemaValidator
from hxp_enterprise_llm.schemas.configuration_service import ConfigurationServiceConfig
from hxp_enterprise_llm.schemas.factory import OURS

SAMPLES = Path(__file__).parents[3] / "docs/samples"
GUESSED: dict[type, tuple[Any, ...]] = {
    int: ("3", True, 3.0),
    float: ("3", True),
    bool: (1, "true", "yes"),
}


def exact(model: type[BaseModel]) -> Iterator[tuple[tuple[Any, ...], type]]:
    """Yield every key that holds a number or a switch, with the type that it has."""
    for path, _ in leaves(model):
        field = field_at(model, tuple(0 if key == "*" else key for key in path))
        if path[0] == "waivers" or field is None:
            continue
        for kind in members(field.annotation):
            if kind in GUESSED:
                yield path, kind


def with_value(document: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return a document whose key says something else; lists are those of the document."""
    changed = deepcopy(document)
    at: Any = changed
    for key in path[:-1]:
        at = at[0] if key == "*" else at.setdefault(key, {})
    at[path[-1]] = value
    return changed


SAMPLE = {
    "ai_model": "ai-model",
    "infrastructure": "infrastructure",
    "integration": "integration",
    "monitoring": "monitoring",
    "deployment": "deployment-kubernetes",
}
KEYS = [
    pytest.param(name, path, kind, id=f"{name}-{'.'.join(map(str, path))}")
    for name, model in OURS.items()
    for path, kind in exact(model)
]


def test_every_schema_has_such_keys() -> None:
    assert {key.values[0] for key in KEYS} == set(OURS) == set(SAMPLE)
    assert len(KEYS) > 60


@pytest.mark.feature("SC-08", "CS-01")
@pytest.mark.parametrize(("name", "path", "kind"), KEYS)
def test_a_number_or_a_switch_of_another_type_is_refused_at_its_key(
    name: str, path: tuple[Any, ...], kind: type
) -> None:
    document = yaml.safe_load((SAMPLES / f"{SAMPLE[name]}.yaml").read_text())
    named = tuple(0 if key == "*" else key for key in path)
    for value in GUESSED[kind]:
        report = SchemaValidator().data(with_value(document, path, value))
        assert ("C006", named) in [(item.code, item.path) for item in report.errors], value
        # Told in the words of the type that it wants, and never with what was written.
        (error,) = (item for item in report.errors if item.path == named)
        assert error.fix


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("limits", "max_headers", "64"),
        ("limits", "max_watchers", True),
        ("backup", "keep", 14.0),
        (None, "hot_reload", 1),
    ],
)
def test_the_file_of_the_configuration_service_is_as_exact(
    section: str | None, key: str, value: Any
) -> None:
    changed = {key: value} if section is None else {section: {key: value}}
    with pytest.raises(ValidationError) as caught:
        ConfigurationServiceConfig.model_validate({"environment": "demo"} | changed)
    (error,) = caught.value.errors()
    assert error["loc"][-1] == key
