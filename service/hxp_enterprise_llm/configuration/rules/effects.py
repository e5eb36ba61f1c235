"""Settings of the contract that nothing reads yet: who writes one is told so."""

from __future__ import annotations

from collections.abc import Iterator

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.environment import Environment

WITHOUT_EFFECT: tuple[KeyPath, ...] = (
    ("infrastructure_services", "api_gateway", "rate_limit_rps"),
    ("infrastructure_services", "monitoring", "grafana_port"),
    ("infrastructure_services", "monitoring", "health_check_interval"),
    ("infrastructure_services", "monitoring", "dashboard_auto_discovery"),
    ("infrastructure_services", "configuration", "config_path"),
    ("infrastructure_services", "storage", "model_storage_path"),
    ("infrastructure_services", "storage", "max_storage_gb"),
    ("infrastructure_services", "storage", "compression_enabled"),
    ("integration_services", "database", "connection_pool_size"),
    ("integration_services", "vector_database"),
    ("integration_services", "cache", "db"),
    ("integration_services", "cache", "connection_pool_size"),
    ("integration_services", "cache", "timeout"),
    ("integration_services", "cache", "key_prefix"),
    ("integration_services", "cache", "ttl_default"),
)


@rule(
    "C390",
    "A setting that is written has an effect in this version.",
    "The contract names settings of services that are still to come. Writing one changes nothing "
    "yet; it is kept, and checked, so that the file is ready.",
    severity="warning",
    waivable=True,
)
def _without_effect(subject: Subject) -> Iterator[Finding]:
    for path in WITHOUT_EFFECT:
        if _is_written(subject.environment, path):
            yield Finding(
                path,
                "this setting has no effect in this version.",
                "Remove the key, or waive C390 until a version reads it.",
            )


def _is_written(environment: Environment, path: KeyPath) -> bool:
    found: object = environment
    for key in path:
        if not isinstance(found, CitadelModel) or key not in found.model_fields_set:
            return False
        found = getattr(found, str(key))
    return True
