"""Two workers share the users' port, ask for the key, and drain one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host

UNITS = ("citadel-gateway@1.service", "citadel-gateway@2.service")
CONFIG = "/opt/citadel/gateway/current/gateway.yaml"
PORT = 8000
# Asks with the key from its file; nothing secret is in an argument. Prints status and document.
ASK = """
import http.client, json, pathlib
c = http.client.HTTPConnection({host!r}, {port}, timeout=10)
h = {{}}
if {key}:
    key = pathlib.Path("/etc/citadel/credentials/gateway/key").read_text().strip()
    h["Authorization"] = "Bearer " + key
c.request({method!r}, {path!r}, {body!r} or None, h)
r = c.getresponse()
print(json.dumps([r.status, r.read().decode()]))
"""


def ask(
    host: Host,
    path: str,
    body: str = "",
    *,
    address: str = "127.0.0.1",
    port: int = PORT,
    key: bool = True,
) -> tuple[int, str]:
    """Return the status and the body of one request."""
    method = "POST" if body else "GET"
    script = ASK.format(host=address, port=port, method=method, path=path, body=body, key=key)
    with host.sudo():
        status, text = json.loads(host.check_output("python3 -c %s", script))
    return int(status), str(text)


def error(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)["error"]
    return found


def own_address(host: Host) -> str:
    return str(host.check_output("hostname -I")).split()[0]


def process(host: Host, unit: str) -> str:
    with host.sudo():
        return str(host.check_output("systemctl show --value -p MainPID %s", unit)).strip()


@pytest.mark.parametrize("unit", UNITS)
def test_each_worker_runs_and_starts_with_the_host(host: Host, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


def test_no_third_worker_runs(host: Host) -> None:
    assert not host.service("citadel-gateway@3.service").is_running


def test_the_key_opens_and_nothing_else_does(host: Host) -> None:
    status, text = ask(host, "/v1/models")
    assert (status, json.loads(text)) == (200, {"object": "list", "data": []})
    status, text = ask(host, "/v1/models", key=False)
    assert (status, error(text)["code"]) == (401, "invalid_api_key")


def test_an_unknown_model_gets_404(host: Host) -> None:
    status, text = ask(host, "/v1/chat/completions", '{"model": "none", "messages": []}')
    assert (status, error(text)["code"]) == (404, "model_not_found")


def test_metrics_and_health_are_on_each_workers_own_port_only(host: Host) -> None:
    address = own_address(host)
    for port in (9101, 9102):
        status, text = ask(host, "/metrics", address=address, port=port, key=False)
        assert status == 200
        assert "citadel_gateway_process_start_time_seconds" in text
        assert ask(host, "/health/ready", address=address, port=port, key=False)[0] == 200
        assert host.socket(f"tcp://{address}:{port}").is_listening
    assert ask(host, "/metrics")[0] == 404
    assert "127.0.0.1:9101" not in host.check_output("ss -Hltn")


def test_a_killed_worker_comes_back_while_the_other_serves(host: Host) -> None:
    first, second = (process(host, unit) for unit in UNITS)
    with host.sudo():
        host.check_output("kill -KILL %s", first)
        assert ask(host, "/health/live", key=False)[0] == 200
        host.check_output(
            "timeout 20 sh -c 'until systemctl is-active -q citadel-gateway@1; do sleep 0.2; done'"
        )
    assert process(host, UNITS[0]) != first
    assert process(host, UNITS[1]) == second


def test_a_stop_drains_and_ends_with_0(host: Host) -> None:
    with host.sudo():
        host.check_output(f"systemctl restart {UNITS[1]}")
        journal = host.check_output(f"journalctl --no-pager -o cat -u {UNITS[1]}")
        assert host.check_output(f"systemctl show --value -p NRestarts {UNITS[1]}") == "0"
    assert '"event":"drain"' in journal
    assert '"event":"stopped"' in journal


def reloaded(host: Host, unit: str, keep_alive: str) -> str:
    """Write another value into the file, reload, and return the event that tells how it went."""
    change = f's/"keep_alive": [^,]*/"keep_alive": {keep_alive}/'
    host.check_output("sed -i %s %s", change, CONFIG)
    since = str(host.check_output("date +%s.%N")).strip()
    host.check_output("systemctl reload %s", unit)
    look = f"journalctl --no-pager -o cat -u {unit} --since @{since} | grep -m 1 configuration"
    found = host.check_output("timeout 20 sh -c %s", f"until {look}; do sleep 0.2; done")
    return str(json.loads(found)["event"])


def test_a_reload_takes_the_file_in_the_same_process_and_a_bad_file_changes_nothing(
    host: Host,
) -> None:
    serves = 'citadel_configuration_newest_serves{name="gateway.yaml"} '
    with host.sudo():
        before = process(host, UNITS[0])
        assert reloaded(host, UNITS[0], "70.0") == "configuration.applied"
        assert reloaded(host, UNITS[0], "-1") == "configuration.refused"
        _, text = ask(host, "/metrics", address=own_address(host), port=9101, key=False)
        assert serves + "0.0" in text
        assert reloaded(host, UNITS[0], "75.0") == "configuration.applied"
        _, text = ask(host, "/metrics", address=own_address(host), port=9101, key=False)
        assert serves + "1.0" in text
        assert process(host, UNITS[0]) == before


def test_a_bad_configuration_is_refused_by_the_validator(host: Host) -> None:
    with host.sudo():
        python = host.check_output(
            "systemctl show --value -p ExecStart citadel-gateway@1 | grep -o 'path=[^ ;]*'"
        ).removeprefix("path=")
        check = f"{python} -I -m hxp_enterprise_llm.gateway --check --config"
        host.check_output(f"{check} {CONFIG}")
        done = host.run(f"sed 's/port/prot/' {CONFIG} > /tmp/bad.yaml; {check} /tmp/bad.yaml")
    assert done.rc == 3
    # The line of `listen`, below the two of the head.
    assert "/tmp/bad.yaml:3  listen.prot\n" in done.stderr
