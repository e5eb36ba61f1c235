"""Best practices that an environment does not follow, and all advice of a report in one list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hxp_enterprise_llm.configuration.report.form import Item, Level, Section
from hxp_enterprise_llm.schemas.environment import Environment


@dataclass(frozen=True)
class Practice:
    """What is done where a service must not fail.

    Attributes:
        path: The key that it is about.
        missing: Whether an environment does not do it.
        message: What follows from that.
        fix: What to do.
    """

    path: str
    missing: Callable[[Environment], bool]
    message: str
    fix: str


PRACTICES = (
    Practice(
        "infrastructure_services.monitoring.alert_webhook_url",
        lambda e: (
            bool(e.hosts_with("alertmanager"))
            and e.infrastructure_services.monitoring.alert_webhook_url is None
        ),
        "alerts reach nobody.",
        "Name the address that alerts are posted to.",
    ),
    Practice(
        "infrastructure_services.monitoring.alerting_enabled",
        lambda e: (
            bool(e.hosts_with("prometheus"))
            and not e.infrastructure_services.monitoring.alerting_enabled
        ),
        "no alert is evaluated.",
        "Set it to true.",
    ),
    Practice(
        "infrastructure_services.configuration.backup_enabled",
        lambda e: not e.infrastructure_services.configuration.backup_enabled,
        "no revision is kept: there is no way back, and there are no trends.",
        "Set it to true.",
    ),
    Practice(
        "infrastructure_services.api_gateway.workers",
        lambda e: (
            bool(e.hosts_with("gateway")) and e.infrastructure_services.api_gateway.workers == 1
        ),
        "the gateway is away while its one worker restarts.",
        "Set it to 2 or more.",
    ),
    Practice(
        "hosts",
        lambda e: bool(e.hosts_with("vllm")) and not e.hosts_with("prometheus"),
        "nothing is measured: there are no alerts and no hints on capacity.",
        "Give a host the roles prometheus and alertmanager.",
    ),
)


def practices(environment: Environment) -> Section:
    """Return the best practices that an environment does not follow."""
    items = [
        Item(Level.ADVICE, practice.path, practice.message, practice.fix)
        for practice in PRACTICES
        if practice.missing(environment)
    ]
    engines = environment.hosts_with("vllm")
    items += [
        Item(
            Level.NOTE,
            f"models.{name}.replicas",
            "the model is away when its one host is.",
            "Let it run on two hosts.",
        )
        for name, model in environment.models.items()
        if model.enabled and model.replicas == 1 and len(engines) > 1
    ]
    return Section("practices", "Best practices", tuple(items))


def recommendations(sections: Iterable[Section]) -> Section:
    """Return what to do, each once with all keys that it is about; risks first."""
    found: dict[tuple[Level, str], list[str]] = {}
    for section in sections:
        for item in section.items:
            if item.fix and item.level is not Level.NOTE:
                paths = found.setdefault((item.level, item.fix), [])
                paths.extend([item.path] if item.path and item.path not in paths else [])
    order = tuple(Level)
    ranked = sorted(found.items(), key=lambda row: order.index(row[0][0]))
    rows = tuple(
        (str(number), level.value, fix, ", ".join(paths) or "–")
        for number, ((level, fix), paths) in enumerate(ranked, start=1)
    )
    headings = ("", "for", "what to do", "keys")
    return Section("recommendations", "Recommendations", headings=headings, rows=rows)
