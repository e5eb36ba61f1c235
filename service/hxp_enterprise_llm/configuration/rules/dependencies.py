"""What needs what: settings of services that nothing runs, and the order that roles start in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule
from hxp_enterprise_llm.schemas.environment import Environment

NEEDS: Mapping[str, tuple[str, ...]] = {
    "vllm": (),
    "gateway": ("vllm",),
    "postgres": (),
    "redis": (),
    "configuration": ("postgres",),
    "exporters": ("postgres", "redis"),
    "prometheus": (),
    "alertmanager": ("prometheus",),
}
"""A role → the roles that must run before it is of use."""

_SETTINGS: tuple[tuple[KeyPath, str], ...] = (
    (("integration_services", "database"), "postgres"),
    (("integration_services", "cache"), "redis"),
    (("performance_targets", "database"), "postgres"),
    (("performance_targets", "cache"), "redis"),
    (("infrastructure_services", "api_gateway"), "gateway"),
    (("performance_targets", "api_gateway"), "gateway"),
)


def start_order(environment: Environment) -> tuple[str, ...]:
    """Return the roles of an environment, each after those that it needs."""
    roles = {role for host in environment.hosts.values() for role in host.roles}
    order = TopologicalSorter({role: NEEDS.get(role, ()) for role in sorted(roles)}).static_order()
    return tuple(role for role in order if role in roles)


@rule(
    "C220",
    "Settings of a service that are written have a host that runs it.",
    "A written setting of a service without a host changes nothing: either the host is missing, or "
    "the setting is a left-over.",
    severity="warning",
    waivable=True,
)
def setting_without_service(subject: Subject) -> Iterator[Finding]:
    """Find written settings whose role no host has."""
    for path, role in _SETTINGS:
        if subject.environment.hosts_with(role):
            continue
        # `host` is a derived key: C321 speaks of it.
        written = {key[len(path)] for key in subject.written if _below(key, path)} - {"host"}
        if written:
            yield Finding(
                path,
                f"no host has role {role}, so these settings have no effect.",
                f"Give a host role {role}, or remove the settings.",
            )


def _below(key: KeyPath, path: KeyPath) -> bool:
    return len(key) > len(path) and key[: len(path)] == path


@rule(
    "C221",
    "Alerts that are to be posted have an Alertmanager that posts them.",
    "Role alertmanager posts to `alert_webhook_url`. Without it alerts are evaluated and told to "
    "nobody.",
)
def webhook_without_alertmanager(subject: Subject) -> Iterator[Finding]:
    """Find a webhook that nothing calls, and a token of none."""
    monitoring = subject.environment.infrastructure_services.monitoring
    section = ("infrastructure_services", "monitoring")
    if monitoring.alert_webhook_url and not subject.environment.hosts_with("alertmanager"):
        yield Finding(
            (*section, "alert_webhook_url"),
            "no host has role alertmanager, so nothing is posted there.",
            "Give a host role alertmanager, or remove the key.",
        )
    if monitoring.alert_webhook_token and not monitoring.alert_webhook_url:
        yield Finding(
            (*section, "alert_webhook_token"),
            "there is no alert_webhook_url that this token is for.",
            "Write alert_webhook_url, or remove the token.",
        )
