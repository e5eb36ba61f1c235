"""Definitions of all kinds of services agree: one name, one unit; every key is described."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from hxp_enterprise_llm.configuration.fields import fields_of, members, unit_of
from hxp_enterprise_llm.configuration.generate.types import described
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.common import ErrorResponse, Record, ServiceResponse
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.factory import BASE, OURS
from hxp_enterprise_llm.schemas.gateway import GatewayConfig
from hxp_enterprise_llm.schemas.health import HealthStatus
from hxp_enterprise_llm.schemas.measures import PerformanceMetrics

ROOTS = [BASE, *OURS.values(), Environment, GatewayConfig]
ANSWERS = [Record, ServiceResponse, ErrorResponse, HealthStatus, PerformanceMetrics]
# The documents themselves name both, in seconds and in milliseconds (KT-04).
TWO_UNITS = {"dashboard_load_time"}
NUMBERS = {"whole number", "number", "duration", "size"}


def below(kind: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a type holds, through unions, maps and lists."""
    for member in members(kind):
        if isinstance(member, type) and issubclass(member, BaseModel):
            yield member
            for field in member.model_fields.values():
                yield from below(field.annotation)
        else:
            for argument in get_args(member):
                yield from below(argument)


MODELS = list(dict.fromkeys(model for root in [*ROOTS, *ANSWERS] for model in below(root)))


@pytest.mark.feature("SC-08")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_is_frozen_refuses_unknown_keys_and_describes_its_keys(
    model: type[BaseModel],
) -> None:
    assert issubclass(model, CitadelModel)
    assert model.model_config.get("frozen") is True
    assert model.model_config.get("extra") == "forbid"
    assert model.model_config.get("hide_input_in_errors") is True
    for key, field in fields_of(model).items():
        assert field.description, f"{model.__name__}.{key}"
        assert field.description.endswith((".", "…")), f"{model.__name__}.{key}"


@pytest.mark.feature("SC-08")
def test_a_number_of_one_name_has_one_unit_everywhere() -> None:
    units: dict[str, set[str]] = defaultdict(set)
    for model in MODELS:
        for key, field in fields_of(model).items():
            if described(key, field) in NUMBERS and key not in TWO_UNITS:
                units[key].add(unit_of(key, field))
    assert {key: found for key, found in units.items() if len(found) > 1} == {}
    assert units["timeout"] == {"seconds"}
    assert units["memory_mb"] == {"MiB"}
    assert units["gpu_memory_gb"] == {"GiB"}


@pytest.mark.feature("SC-08")
def test_a_switch_of_one_name_is_a_switch_everywhere() -> None:
    kinds: dict[str, set[str]] = defaultdict(set)
    for model in MODELS:
        for key, field in fields_of(model).items():
            kinds[key].add(described(key, field))
    switches = {key: found for key, found in kinds.items() if "true or false" in found}
    assert {key for key, found in switches.items() if len(found) > 1} == set()
    assert {"ssl_enabled", "hot_reload", "gpu_enabled", "alerting_enabled"} <= set(switches)


@pytest.mark.feature("SC-08", "KT-05")
@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("schemas.common", ["BaseModel", "CitadelModel", "ServiceResponse", "ErrorResponse"]),
        ("schemas.api", ["APIRequest", "APIResponse"]),
        ("schemas.services", ["ServiceConfigSchema"]),
        ("configuration.schemas", ["ServiceConfigSchema", "SchemaValidator"]),
        ("schemas.deployment", ["DeploymentConfigSchema"]),
        ("schemas.health", ["HealthStatus", "HealthCheckResult"]),
        ("schemas.measures", ["MetricData", "PerformanceMetrics"]),
    ],
)
def test_the_documents_schemas_are_where_users_look_for_them(module: str, names: list[str]) -> None:
    found = importlib.import_module(f"hxp_enterprise_llm.{module}")
    assert all(isinstance(getattr(found, name), type) for name in names)


@pytest.mark.feature("SC-08")
def test_every_kind_of_service_has_a_complete_definition() -> None:
    assert set(OURS) == {"ai_model", "infrastructure", "integration", "monitoring", "deployment"}
    common = set(fields_of(BASE))
    for name in set(OURS) - {"deployment"}:
        assert common < set(fields_of(OURS[name]))


@pytest.mark.feature("SC-08")
def test_schemas_are_shipped_to_hosts_and_import_nothing_of_the_controller() -> None:
    folder = Path(importlib.import_module("hxp_enterprise_llm.schemas").__file__ or "").parent
    modules = [f"hxp_enterprise_llm.schemas.{path.stem}" for path in folder.glob("*.py")]
    script = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "print([name for name in sys.modules if name.startswith(('hxp_enterprise_llm.configuration'"
        ", 'hxp_enterprise_llm.orchestration', 'fastapi', 'stamina', 'prometheus_client'))])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"
