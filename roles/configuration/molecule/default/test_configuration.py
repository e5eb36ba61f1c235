"""The service asks for a key, keeps what was applied over a restart, and stays small."""

from __future__ import annotations

import json
from typing import Any

from testinfra.host import Host

UNIT = "citadel-configuration.service"
CONFIG = "/opt/citadel/configuration/current/configuration.yaml"
MAIN = "/v1/documents/gateway/main"
STATE = "/opt/data/configuration"
LIMIT_KB = 90_000
# Asks with the key from its file; nothing secret is in an argument. Prints status and document.
ASK = """
import base64, http.client, json, pathlib
c = http.client.HTTPConnection({host!r}, 8080, timeout=10)
h = {headers!r}
if {key}:
    key = pathlib.Path("/etc/citadel/credentials/configuration/key").read_text().strip()
    h["Authorization"] = "Basic " + base64.b64encode(("citadel:" + key).encode()).decode()
c.request({method!r}, {path!r}, {body!r} or None, h)
r = c.getresponse()
print(json.dumps([r.status, r.read().decode()]))
"""


def ask(
    host: Host, path: str, method: str = "GET", body: Any = None, *, key: bool = True
) -> tuple[int, str]:
    """Return the status and the body of one request."""
    script = ASK.format(
        host=own_address(host),
        path=path,
        method=method,
        body=json.dumps(body) if body else "",
        headers={"Content-Type": "application/json", "If-None-Match": "*"},
        key=key,
    )
    with host.sudo():
        status, text = json.loads(host.check_output("python3 -c %s", script))
    return int(status), str(text)


def own_address(host: Host) -> str:
    return str(host.check_output("hostname -I")).split()[0]


def test_the_service_runs_and_starts_with_the_host(host: Host) -> None:
    assert host.service(UNIT).is_running
    assert host.service(UNIT).is_enabled
    assert host.socket(f"tcp://{own_address(host)}:8080").is_listening
    assert "127.0.0.1:8080" not in host.check_output("ss -Hltn")


def test_the_key_opens_and_nothing_else_does(host: Host) -> None:
    assert ask(host, "/v1/documents")[0] == 200
    status, text = ask(host, "/v1/documents", key=False)
    assert (status, json.loads(text)["code"]) == (401, "service.unauthenticated")


def test_health_and_metrics_are_open(host: Host) -> None:
    assert ask(host, "/health/ready", key=False)[0] == 200
    status, text = ask(host, "/metrics", key=False)
    assert status == 200
    assert "citadel_configuration_service_documents" in text


def test_what_was_applied_outlives_a_restart(host: Host) -> None:
    document = {"listen": {"port": 8000}, "metrics": {"port": 9101}}
    # 412: the host was tampered with and repaired, and the data stayed.
    assert ask(host, MAIN, "PUT", {"document": document, "reason": "a test"})[0] in (200, 412)
    before = json.loads(ask(host, MAIN)[1])
    assert before["revision"]["signature"].startswith("ed25519:")
    with host.sudo():
        host.check_output(f"systemctl restart {UNIT}")
    ready = f"http://{own_address(host)}:8080/health/ready"
    fetch = f"import urllib.request as u; u.urlopen('{ready}', timeout=1)"
    look = f'until python3 -c "{fetch}" 2>/dev/null; do sleep 0.2; done'
    host.check_output("timeout 30 sh -c %s", look)
    assert json.loads(ask(host, MAIN)[1]) == before


def test_it_stays_within_90_mb(host: Host) -> None:
    for _ in range(20):
        assert ask(host, "/v1/documents")[0] == 200
    with host.sudo():
        process = host.check_output(f"systemctl show --value -p MainPID {UNIT}").strip()
        pss = host.check_output(f"grep ^Pss: /proc/{process}/smaps_rollup").split()[1]
    assert int(pss) * 1.024 <= LIMIT_KB


def test_what_it_keeps_is_its_own(host: Host) -> None:
    with host.sudo():
        for path in (STATE, "/opt/backups/configuration", "/opt/backups/configuration/audit"):
            folder = host.file(path)
            assert (folder.user, folder.mode) == ("citadel-configuration", 0o700)
        for name in ("audit.jsonl", "audit-keys.json"):
            assert host.file(f"{STATE}/{name}").mode == 0o600


def test_the_audit_log_is_keyed_with_the_credential(host: Host) -> None:
    with host.sudo():
        assert host.file("/etc/citadel/credentials/configuration/audit").mode == 0o400
        assert not host.file(f"{STATE}/audit.key").exists


def test_a_person_is_given_a_password_and_logs_in(host: Host) -> None:
    password = "a long password of hers"
    account, given = "/v1/accounts/ada", {"name": "ada", "password": password}
    assert ask(host, account, "PUT", {"password": password})[0] == 204
    status, text = ask(host, "/v1/sessions", "POST", given, key=False)
    assert status == 200
    assert json.loads(text)["token"].startswith("cts_")
    assert ask(host, account, "DELETE")[0] == 204
    assert ask(host, "/v1/sessions", "POST", given, key=False)[0] == 401


def test_a_bad_configuration_is_refused_by_the_validator(host: Host) -> None:
    with host.sudo():
        python = host.check_output(
            f"systemctl show --value -p ExecStart {UNIT} | grep -o 'path=[^ ;]*'"
        ).removeprefix("path=")
        check = f"{python} -I -m hxp_enterprise_llm.configuration.service --check --config"
        host.check_output(f"{check} {CONFIG}")
        done = host.run(f"sed s/listen:/listne:/ {CONFIG} > /tmp/bad.yaml; {check} /tmp/bad.yaml")
    assert done.rc == 3
    assert "listne" in done.stderr
