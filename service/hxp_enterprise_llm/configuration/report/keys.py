"""Keys that do nothing: of services that run nowhere, and those that say what holds anyway."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, dotted
from hxp_enterprise_llm.configuration.fields import field_at, is_secret
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
from hxp_enterprise_llm.configuration.merge import value_at
from hxp_enterprise_llm.configuration.report.form import Item, Level, Section
from hxp_enterprise_llm.configuration.resolved import derivations, resolved
from hxp_enterprise_llm.schemas.environment import Environment

UNREAD = "C390"
"""The rule that warns of settings that nothing reads in this version."""
_SCHEMA: KeyPath = ("schema",)
# Section → the role whose hosts read it; None for what is read without a role. The nearest counts.
READERS: Mapping[str, str | None] = {
    "listeners.gateway": "gateway",
    "listeners.gateway_metrics": "gateway",
    "listeners.configuration": "configuration",
    "listeners.engine": "vllm",
    "listeners.engine_proxy": "vllm",
    "listeners.engine_proxy_metrics": "vllm",
    "listeners.postgres": "postgres",
    "listeners.redis": "redis",
    "listeners.prometheus": "prometheus",
    "listeners.alertmanager": "alertmanager",
    "listeners.postgres_exporter": "exporters",
    "listeners.redis_exporter": "exporters",
    "infrastructure_services.api_gateway": "gateway",
    "infrastructure_services.configuration": "configuration",
    "infrastructure_services.configuration.config_path": None,
    "infrastructure_services.configuration.environment": None,
    "infrastructure_services.configuration.validation_enabled": None,
    "infrastructure_services.configuration.secret_management": None,
    "infrastructure_services.configuration.backup_enabled": None,
    "infrastructure_services.storage": None,
    "infrastructure_services.monitoring.prometheus_port": "prometheus",
    "infrastructure_services.monitoring.metrics_collection_interval": "prometheus",
    "infrastructure_services.monitoring.alerting_enabled": "prometheus",
    "infrastructure_services.monitoring.alert_webhook_url": "alertmanager",
    "infrastructure_services.monitoring.alert_webhook_token": "alertmanager",
    "integration_services.database": "postgres",
    "integration_services.cache": "redis",
    "integration_services.metrics": "prometheus",
    "listeners.node_exporter": None,
    "schema": None,
    "provider": None,
    "state": None,
    "hosts": None,
    "service_network": None,
    "performance_targets": None,
    "waivers": None,
    "engine": "vllm",
    "models": "vllm",
}


def written(loaded: LoadedEnvironment) -> Iterator[tuple[KeyPath, Any]]:
    """Yield every key that a file wrote a value to, with what it wrote; sections not."""
    for path in loaded.origins:
        value = value_at(loaded.draft.data, path)
        # Elements of lists belong to their key.
        whole = all(isinstance(part, str) for part in path)
        if whole and path != _SCHEMA and not isinstance(value, dict):
            yield path, value


def source_of(loaded: LoadedEnvironment, path: KeyPath) -> str:
    """Return where a key was written; nothing for a default."""
    origin = loaded.origins.get(path)
    return str(origin.place) if origin is not None else ""


def analysis(loaded: LoadedEnvironment) -> Section:
    """Return how much of the configuration was written, and where."""
    document, own = resolved(loaded.name, loaded.environment), dict(written(loaded))
    total, derived = sum(1 for _ in _leaves(document)), len(derivations("", loaded.environment))
    files = [str(path.name) for path in loaded.draft.files]
    by_section = {
        section: sum(path[0] == section for path in own) for section in Environment.model_fields
    }
    rows = [("all", str(total), str(len(own)))] + [
        (section, str(sum(1 for _ in _leaves(document[section]))), str(count))
        for section, count in by_section.items()
        if count and section in document
    ]
    note = f"{', '.join(files)}; {derived} keys are derived from others"
    return Section("analysis", "Keys", (), ("section", "keys", "written"), tuple(rows), note)


def unused(loaded: LoadedEnvironment) -> Section:
    """Return written keys that nothing reads in this environment."""
    items = [*_without_effect(loaded), *_without_host(loaded), *_switched_off(loaded)]
    return Section("unused", "Unused keys", tuple(items))


def _without_effect(loaded: LoadedEnvironment) -> Iterator[Item]:
    for found in (*loaded.warnings, *loaded.waived):
        if found.code == UNREAD:
            path, place = dotted(found.path), str(found.place)
            yield Item(Level.ADVICE, path, found.message, found.fix, place)


def _without_host(loaded: LoadedEnvironment) -> Iterator[Item]:
    for path, _ in written(loaded):
        role = next((READERS[name] for name in _above(path) if name in READERS), None)
        if role is None or loaded.environment.hosts_with(role):
            continue
        message = f"nothing reads it: it is for role {role}, which no host carries."
        fix = f"Remove the key, or give a host the role {role}."
        yield Item(Level.ADVICE, dotted(path), message, fix, source_of(loaded, path))


def _switched_off(loaded: LoadedEnvironment) -> Iterator[Item]:
    for name, model in loaded.environment.models.items():
        if not model.enabled:
            path: KeyPath = ("models", name)
            fix = "Remove the model when it will not come back."
            message = "the model is not enabled: nothing below it is used."
            yield Item(Level.NOTE, dotted(path), message, fix, source_of(loaded, path))


def defaults(loaded: LoadedEnvironment) -> Section:
    """Return written keys that say what would hold without them."""
    derived = derivations(loaded.name, loaded.environment)
    document = resolved(loaded.name, loaded.environment)
    items = []
    for path, _ in written(loaded):
        field = field_at(Environment, path, document)
        value, source = value_at(document, path), source_of(loaded, path)
        if path in derived:
            message = f"it is derived from {derived[path].source} and says the same."
        elif field is not None and not field.is_required() and value == _default(field):
            shown = "its default" if is_secret(field) else json.dumps(value, ensure_ascii=False)
            message = f"{shown} is the default."
        elif _repeats(loaded, path):
            message = "it says what the file below says already."
        else:
            continue
        items.append(Item(Level.NOTE, dotted(path), message, "Remove the key.", source))
    return Section("defaults", "Values that hold anyway", tuple(items))


def _repeats(loaded: LoadedEnvironment, path: KeyPath) -> bool:
    before = loaded.origins[path].overrode
    return bool(before) and before[0][1] == value_at(loaded.draft.data, path)


def _default(field: Any) -> Any:
    from pydantic import TypeAdapter

    default = field.get_default(call_default_factory=True)
    return TypeAdapter(Any).dump_python(default, mode="json")


def _above(path: KeyPath) -> Iterator[str]:
    """Yield the dotted name of a key and of all above it, the nearest first."""
    for length in range(len(path), 0, -1):
        yield dotted(path[:length])


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict) and value:
        for below in value.values():
            yield from _leaves(below)
    else:
        yield value
