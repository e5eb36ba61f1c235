"""The steps. Each version that is given out gets one, with old files in tests/corpus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hxp_enterprise_llm.configuration.migration.versions import (
    KEY,
    SECTIONS,
    Document,
    MigrationError,
    Step,
)

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PASSWORDS = (("integration_services", "database"), ("integration_services", "cache"))

# A role, the name of the host that gets it, and the keys of version 0 that say where it runs.
_ROLES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("gateway", "edge-1", ("service_network.internal_services.api_gateway",)),
    (
        "postgres",
        "data-1",
        (
            "integration_services.database.host",
            "service_network.database_connection.host",
            "service_network.external_integration.database",
        ),
    ),
    (
        "redis",
        "cache-1",
        ("integration_services.cache.host", "service_network.cache_connection.host"),
    ),
    (
        "prometheus",
        "metrics-1",
        (
            "service_network.external_integration.metrics_server",
            "integration_services.metrics.prometheus_host",
            "service_network.internal_services.monitoring",
        ),
    ),
)


def _up_1(data: Document) -> Document:
    """Say the version, and name the hosts that version 0 knows by their addresses only."""
    hosts: dict[str, dict[str, Any]] = {}
    for role, name, address in _placed(data):
        known = next((host for host in hosts.values() if host["address"] == address), None)
        if known is None:
            known = hosts[name] = {"address": address, "roles": []}
        known["roles"].append(role)
    head: Document = {KEY: 1, "provider": {"kind": "ssh"}, "hosts": hosts}
    said = {key: value for key, value in data.items() if key != KEY}
    return head | _with_passwords(said, _reference)


def _down_1(data: Document) -> Document:
    """Leave what version 0 has: four sections, whose passwords are variables."""
    left = {key: value for key, value in data.items() if key in (*SECTIONS, "extends")}
    return _with_passwords(left, _variable)


def _placed(data: Document) -> Iterator[tuple[str, str, str]]:
    for role, name, keys in _ROLES:
        for key in keys:
            address = _value(data, key)
            if isinstance(address, str):
                yield role, name, _host(address)
                break


def _host(address: str) -> str:
    """Return an address without its port; IPv6 stands in brackets before one."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address if address.count(":") > 1 else address.partition(":")[0]


def _value(data: Any, key: str) -> Any:
    for part in key.split("."):
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def _with_passwords(data: Document, changed: Any) -> Document:
    """Return a copy whose passwords are written another way; None takes one out."""
    for section, store in _PASSWORDS:
        found = _value(data, f"{section}.{store}")
        if not (isinstance(found, Mapping) and "password" in found):
            continue
        written = changed(found["password"], f"{section}.{store}.password")
        items = {**found, "password": written}
        if written is None:
            del items["password"]
        data = data | {section: {**data[section], store: items}}
    return data


def _reference(value: Any, key: str) -> str:
    match = _VARIABLE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        # The value is not repeated: it may be the password itself.
        raise MigrationError(
            f"{key} is not a variable such as ${{DATABASE_PASSWORD}}",
            next_step="A password in clear is never copied: put it into the environment or a file, "
            "write ${NAME} here, and migrate again.",
        )
    return f"env:{match[1]}"


def _variable(value: Any, _key: str) -> str | None:
    kind, _, name = str(value).partition(":")
    return f"${{{name}}}" if kind == "env" else None


STEPS: tuple[Step, ...] = (
    Step(
        1,
        "The file says its version; hosts are named, with their addresses and roles; a password is "
        "a reference to a secret.",
        _up_1,
        _down_1,
    ),
)
