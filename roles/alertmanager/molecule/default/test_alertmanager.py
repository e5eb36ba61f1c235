"""Alertmanager takes an alert and posts it, with its token, where the environment says."""

from __future__ import annotations

import time

from testinfra.host import Host

UNIT = "citadel-alertmanager.service"
TOKEN = "/etc/citadel/credentials/alertmanager/webhook_token"
# Waits for one alert on the webhook's port and prints whether it came with our token.
RECEIVER = """
import json, pathlib, sys, http.server as h
name, token = sys.argv[1], "Bearer " + pathlib.Path(sys.argv[2]).read_text()
class Hook(h.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200); self.end_headers()
        if name in [alert["labels"]["alertname"] for alert in body["alerts"]]:
            print(self.headers["Authorization"] == token); sys.exit()
    def log_message(self, *arguments): pass
h.HTTPServer(("127.0.0.1", 9999), Hook).serve_forever()
"""


def url(host: Host) -> str:
    return f"http://{str(host.check_output('hostname -I')).split()[0]}:9093"


def test_our_unit_runs_and_starts_with_the_host(host: Host) -> None:
    assert host.service(UNIT).is_running
    assert host.service(UNIT).is_enabled


def test_an_alert_reaches_the_webhook_with_its_token(host: Host) -> None:
    name = f"Test{time.time_ns()}"  # what was told once is not told again for hours
    add = f"amtool alert add {name} host=metrics-1 --alertmanager.url={url(host)}"
    receive = f"timeout 60 python3 - {name} {TOKEN} <<'CITADEL' &\n{RECEIVER}\nCITADEL\n"
    with host.sudo():
        assert host.check_output(f"{receive}{add}; wait").splitlines()[-1] == "True"


def test_the_token_is_not_in_the_configuration(host: Host) -> None:
    file = "/opt/citadel/alertmanager/current/alertmanager.yml"
    with host.sudo():
        assert host.file(TOKEN).size > 0
        assert host.run(f"grep -cF -f {TOKEN} {file}").stdout.strip() == "0"


def test_it_does_not_gossip(host: Host) -> None:
    assert ":9094 " not in host.check_output("ss -Hltun")
    assert host.socket(f"tcp://{url(host).removeprefix('http://')}").is_listening
    assert not host.socket("tcp://127.0.0.1:9093").is_listening


def test_a_silence_is_kept_over_a_restart(host: Host) -> None:
    manager = f"--alertmanager.url={url(host)}"
    add = f"amtool silence add alertname=Kept -c test -a test -d 5m {manager}"
    identity = host.check_output(add)
    with host.sudo():
        host.check_output(f"systemctl restart {UNIT}")
    until = f"timeout 60 sh -c 'until amtool silence query {manager} >/dev/null; do :; done'"
    host.check_output(until)
    assert identity in host.check_output(f"amtool silence query -q {manager}")
    host.check_output(f"amtool silence expire {identity} {manager}")
