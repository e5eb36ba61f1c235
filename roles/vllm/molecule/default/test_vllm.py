"""A real vLLM answers through its proxy, through nothing else, and comes back when it is killed."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from testinfra.host import Host

ENGINE = "citadel-vllm@tiny.service"
PROXY = "citadel-engine-proxy.service"
QUESTION = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0}
# Runs on the host, which has no curl: prints status, headers and body as JSON.
_ASK = """
import json, sys, time, urllib.error, urllib.request
asked = json.load(sys.stdin)
deadline = time.monotonic() + asked["patience"]
while True:
    body = None if asked["body"] is None else json.dumps(asked["body"]).encode()
    request = urllib.request.Request(asked["url"], body, {"Content-Type": "application/json"})
    request.method = asked["method"]
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            status, headers, text = answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        status, headers, text = error.code, dict(error.headers), error.read().decode()
    if status == 200 or time.monotonic() > deadline:
        break
    time.sleep(0.5)
print(json.dumps([status, {key.lower(): value for key, value in headers.items()}, text]))
"""


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


def ask(
    host: Host, method: str, path: str, body: Any = None, *, port: int = 8201, patience: float = 0
) -> Reply:
    """Ask the proxy on the host's loopback; with patience, until it answers 200."""
    asked = {
        "url": f"http://127.0.0.1:{port}{path}",
        "method": method,
        "body": body,
        "patience": patience,
    }
    command = "printf %s %s | python3 -I -c %s"
    return Reply(*json.loads(host.check_output(command, "%s", json.dumps(asked), _ASK)))


def listening(host: Host) -> dict[str, set[str]]:
    """Return program → addresses that it listens on."""
    found: dict[str, set[str]] = {}
    with host.sudo():
        lines = host.check_output("ss -Hltnp").splitlines()
    for line in lines:
        address = line.split()[3].rpartition(":")[0]
        found.setdefault(line.split('"')[1] if '"' in line else "", set()).add(address)
    return found


@pytest.mark.parametrize("unit", [ENGINE, PROXY])
def test_our_units_run_and_start_with_the_host(host: Host, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


def test_a_chat_completion_is_answered(host: Host) -> None:
    reply = ask(host, "POST", "/v1/chat/completions", QUESTION | {"max_tokens": 24})
    assert reply.status == 200
    assert "very small model" in json.loads(reply.text)["choices"][0]["message"]["content"]


def test_a_stream_comes_in_pieces_and_ends_with_done(host: Host) -> None:
    body = QUESTION | {"max_tokens": 8, "stream": True}
    reply = ask(host, "POST", "/v1/chat/completions", body)
    assert reply.headers["content-type"].startswith("text/event-stream")
    events = [line for line in reply.text.splitlines() if line.startswith("data: ")]
    assert len(events) > 3
    assert events[-1] == "data: [DONE]"


def test_the_engine_listens_on_loopback_only(host: Host) -> None:
    found = listening(host)
    engines = {name: where for name, where in found.items() if name.startswith(("python", "VLLM"))}
    assert engines
    assert set().union(*engines.values()) == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/invocations"),
        ("POST", "/tokenize"),
        ("POST", "/pause"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "//invocations"),
        ("POST", "/v1/%2e%2e/invocations"),
        ("GET", "/version"),
        ("GET", "/openapi.json"),
    ],
)
def test_the_proxy_opens_no_other_path(host: Host, method: str, path: str) -> None:
    body = QUESTION if method == "POST" else None
    assert ask(host, method, path, body).status == 404


def test_the_engine_itself_would_have_answered(host: Host) -> None:
    # Else the test above proves nothing about the proxy.
    assert ask(host, "POST", "/invocations", QUESTION | {"max_tokens": 1}, port=8101).status == 200


def test_another_method_is_refused(host: Host) -> None:
    assert ask(host, "GET", "/v1/chat/completions").status == 405
    assert ask(host, "POST", "/metrics", {}).status == 405


def test_metrics_of_engine_and_proxy_are_there(host: Host) -> None:
    ask(host, "POST", "/v1/chat/completions", QUESTION | {"max_tokens": 1})
    engine = ask(host, "GET", "/metrics").text
    assert 'vllm:request_success_total{engine="0",finished_reason="length"' in engine
    assert 'model_name="tiny"' in engine
    proxy = ask(host, "GET", "/metrics", port=8404).text
    assert 'haproxy_server_status{proxy="tiny",server="engine",state="UP"} 1' in proxy


def test_the_cache_belongs_to_the_engine_alone(host: Host) -> None:
    with host.sudo():
        folder = host.file("/opt/cache/vllm")
        assert (folder.mode, folder.user) == (0o700, "citadel-vllm")


def test_no_secret_and_no_telemetry_is_in_the_environment(host: Host) -> None:
    variables = host.check_output("systemctl show -p Environment --value %s", ENGINE)
    for wanted in ("HF_HUB_OFFLINE=1", "VLLM_NO_USAGE_STATS=1", "DO_NOT_TRACK=1"):
        assert wanted in variables
    for secret in ("KEY", "TOKEN", "PASSWORD"):
        assert secret not in variables


def judged(host: Host, change: str) -> Any:
    """Let the bundle's validator judge the engine's arguments with one of them changed."""
    current = "/opt/citadel/vllm/current"
    with host.sudo():
        folder = host.check_output("mktemp -d")
        host.check_output("sed %s %s > %s", change, f"{current}/tiny.yaml", f"{folder}/tiny.yaml")
        unit = host.check_output("systemctl show -p ExecStart --value %s", ENGINE)
        python = unit.split("path=")[1].split()[0]
        script = f"{current}/check_arguments.py"
        switch = "HF_HUB_OFFLINE=1"
        return host.run("%s %s %s %s", python, script, f"{folder}/tiny.yaml", switch)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("s/max-model-len: 512/max-modle-len: 512/", "unrecognized arguments"),
        ("s/max-model-len: 512/max-model-len: 1000000/", "max_model_len"),
        ("s/runner: generate/runner: pooling\\nquantization: awq/", "awq"),
    ],
)
def test_arguments_that_vllm_refuses_are_refused_by_the_validator(
    host: Host, change: str, text: str
) -> None:
    # tests/e2e shows that the running engine answers all the while.
    refused = judged(host, change)
    assert refused.rc == 1
    assert text in refused.stderr


def test_arguments_that_did_not_change_cost_nothing(host: Host) -> None:
    assert judged(host, "").rc == 0


def test_a_killed_engine_gives_503_at_once_and_comes_back_by_itself(host: Host) -> None:
    before = host.check_output("systemctl show -p MainPID --value %s", ENGINE)
    with host.sudo():
        host.check_output("kill -9 %s", before)
    away = ask(host, "POST", "/v1/chat/completions", QUESTION)
    assert away.status == 503
    assert away.headers["retry-after"] == "2"
    assert json.loads(away.text)["error"]["code"] == "engine_unavailable"
    back = ask(host, "POST", "/v1/chat/completions", QUESTION | {"max_tokens": 1}, patience=600)
    assert back.status == 200
    assert host.check_output("systemctl show -p MainPID --value %s", ENGINE) != before


def test_a_stop_lets_a_request_in_flight_end(host: Host) -> None:
    ask(host, "GET", "/health", patience=600)
    body = QUESTION | {"max_tokens": 400, "ignore_eos": True}
    asked = {
        "url": "http://127.0.0.1:8201/v1/chat/completions",
        "method": "POST",
        "body": body,
        "patience": 0,
    }
    metric = "vllm:num_requests_running"
    # Stops the engine as soon as the request is seen running.
    script = (
        f"printf %s %s | python3 -I -c %s & "
        f"python3 -I -c %s && systemctl stop {ENGINE}; systemctl start {ENGINE}; wait"
    )
    seen = (
        "import time, urllib.request, sys\n"
        "for _ in range(400):\n"
        "    text = urllib.request.urlopen('http://127.0.0.1:8101/metrics').read().decode()\n"
        f"    lines = [x for x in text.splitlines() if x.startswith('{metric}{{')]\n"
        "    if any(float(x.split()[-1]) >= 1 for x in lines): sys.exit(0)\n"
        "    time.sleep(0.01)\n"
        "sys.exit(1)\n"
    )
    with host.sudo():
        done = host.run(script, "%s", json.dumps(asked), _ASK, seen)
    status, _, text = json.loads(done.stdout)
    assert status == 200, done.stderr
    assert json.loads(text)["usage"]["completion_tokens"] == 400
