"""The exporters log in to the stores and tell their figures."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from hxp_enterprise_llm.testing.hosts import wait_until

UNITS = ["citadel-postgres-exporter.service", "citadel-redis-exporter.service"]


def metrics(host: Host, port: int) -> dict[str, float]:
    address = str(host.check_output("hostname -I")).split()[0]
    fetch = f"import urllib.request as r; print(r.urlopen('http://{address}:{port}/metrics').read().decode())"
    text = str(host.check_output(f'python3 -c "{fetch}"'))
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#"]
    return {name: float(value) for name, value in lines}


@pytest.mark.parametrize("unit", UNITS)
def test_our_unit_runs_and_starts_with_the_host(host: Host, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


def test_postgres_is_seen_from_inside(host: Host) -> None:
    # The exporter's first answer after a restart of PostgreSQL is from its old connection.
    wait_until(lambda: metrics(host, 9187).get("pg_up") == 1, "pg_up")
    found = metrics(host, 9187)
    assert any(name.startswith("pg_stat_activity_count{") for name in found)
    assert any(name.startswith("pg_settings_max_connections{") for name in found)


def test_redis_is_seen_from_inside(host: Host) -> None:
    found = metrics(host, 9121)
    assert found["redis_up"] == 1
    for name in (
        "redis_connected_clients",
        "redis_config_maxclients",
        "redis_memory_used_bytes",
        "redis_memory_max_bytes",
        "redis_uptime_in_seconds",
    ):
        assert name in found
    assert found["redis_aof_last_write_status"] == 1


def test_a_store_that_is_down_is_told(host: Host) -> None:
    with host.sudo():
        host.check_output("systemctl stop citadel-redis citadel-postgres")
        down = metrics(host, 9121)["redis_up"], metrics(host, 9187)["pg_up"]
        host.check_output(
            "systemctl start citadel-redis citadel-postgres citadel-postgres-provision"
        )
    assert down == (0, 0)
    assert metrics(host, 9121)["redis_up"] == 1
    assert metrics(host, 9187)["pg_up"] == 1
