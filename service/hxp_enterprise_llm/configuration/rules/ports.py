"""Ports: what every role listens on, and that no two meet on a host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, dotted
from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.listeners import Listener

ROLE_LISTENERS = {
    "base": ("node_exporter",),
    "vllm": ("engine", "engine_proxy", "engine_proxy_metrics"),
    "gateway": ("gateway", "gateway_metrics"),
    "configuration": ("configuration",),
    "postgres": ("postgres",),
    "redis": ("redis",),
    "prometheus": ("prometheus",),
    "alertmanager": ("alertmanager",),
    "exporters": ("postgres_exporter", "redis_exporter"),
}
ELSEWHERE: dict[str, KeyPath] = {
    "gateway": ("infrastructure_services", "api_gateway", "port"),
    "prometheus": ("infrastructure_services", "monitoring", "prometheus_port"),
    "postgres": ("integration_services", "database", "port"),
    "redis": ("integration_services", "cache", "port"),
}
SSH = 22


@dataclass(frozen=True, slots=True)
class Range:
    """The ports that one listener takes on a host."""

    listener: str
    first: int
    count: int
    path: KeyPath

    @property
    def last(self) -> int:
        """Return the last port."""
        return self.first + self.count - 1

    def __str__(self) -> str:
        ports = str(self.first) if self.count == 1 else f"{self.first}–{self.last}"
        return f"{self.listener} ({ports})"


def port_path(environment: Environment, listener: str) -> KeyPath:
    """Return the key that says a listener's port."""
    own = isinstance(getattr(environment.listeners, listener), Listener)
    return ("listeners", listener, "port") if own else ELSEWHERE[listener]


def ranges(environment: Environment, host: str) -> list[Range]:
    """Return the ports that the listeners of a host take; several count up from the first."""
    counts = {
        "engine": len(environment.models_on(host)),
        "engine_proxy": len(environment.models_on(host)),
        "gateway_metrics": environment.infrastructure_services.api_gateway.workers,
    }
    return [
        Range(
            listener,
            environment.port(listener),
            max(1, counts.get(listener, 1)),
            port_path(environment, listener),
        )
        for role in ("base", *dict.fromkeys(environment.hosts[host].roles))
        for listener in ROLE_LISTENERS[role]
    ]


def _pointed(subject: Subject, host: str, path: KeyPath) -> KeyPath:
    """Return a key or its nearest parent that a file wrote; the host's roles where none is."""
    while path and path not in subject.written:
        path = path[:-1]
    return path or ("hosts", host, "roles")


@rule(
    "C301",
    "No two listeners of a host take the same port.",
    "Engines and their proxies count up from their port, one for each model of the host; so do the "
    "metrics of gateway workers. Port 22 is SSH's.",
)
def clashes(subject: Subject) -> Iterator[Finding]:
    """Find listeners whose ports meet."""
    reported: set[tuple[str, str]] = set()
    for host in subject.environment.hosts:
        taken = [Range("ssh", SSH, 1, ()), *ranges(subject.environment, host)]
        for index, later in enumerate(taken):
            for earlier in taken[:index]:
                pair = (earlier.listener, later.listener)
                meet = earlier.first <= later.last and later.first <= earlier.last
                if meet and pair not in reported:
                    reported.add(pair)
                    yield _clash(subject, host, earlier, later, taken)


def _clash(
    subject: Subject, host: str, earlier: Range, later: Range, taken: list[Range]
) -> Finding:
    used = {port for other in taken for port in range(other.first, other.last + 1)}
    # The one whose port somebody wrote: there it went wrong, and there it is mended.
    moved = next((item for item in (later, earlier) if item.path in subject.written), later)
    free = moved.first
    while any(port in used for port in range(free, free + moved.count)) and free < 65535:
        free += 1
    return Finding(
        _pointed(subject, host, moved.path),
        f"on {host} {later} meets {earlier}.",
        f"Give {moved.listener} another port, such as {dotted(moved.path)}: {free}",
    )


@rule(
    "C302",
    "Ports that are counted up stay below 65536.",
    "The last engine, proxy or worker of a host would have no port.",
)
def too_high(subject: Subject) -> Iterator[Finding]:
    """Find ranges that end above the last port."""
    for host in subject.environment.hosts:
        for item in ranges(subject.environment, host):
            if item.last > 65535:
                yield Finding(
                    _pointed(subject, host, item.path),
                    f"on {host} {item} ends above 65535.",
                    f"Write {dotted(item.path)}: {65536 - item.count} or less.",
                )
