"""The whole environment as a user meets it: ask, look, break, repair."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from live import CHECKOUT, Live

from hxp_enterprise_llm.testing.hosts import objects, podman, wait_until

SITE = ["ansible-playbook", "playbooks/site.yml", "-i", "build/environments/test.yaml"]


def test_up_again_changes_nothing_and_says_so(live: Live) -> None:
    document = json.loads(live.citadel("up", "--output", "json").stdout)
    assert document["ok"]
    assert document["answer"]
    again = live.citadel("up").stdout
    for phase in ("toolchain", "artifacts", "hosts", "converge"):
        line = next(line for line in again.splitlines() if f" {phase} " in line and "= " in line)
        assert line, again


def test_the_printed_curl_line_works_when_pasted(live: Live) -> None:
    shown = live.citadel("up").stdout
    line = next(line for line in shown.splitlines() if line.strip().startswith("try "))
    done = subprocess.run(
        ["bash", "-c", line.strip().removeprefix("try").strip()],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["choices"][0]["message"]["content"]


def test_plan_finds_nothing_to_do_on_an_unchanged_environment(live: Live) -> None:
    document = json.loads(live.citadel("plan", "--output", "json").stdout)
    assert document == {"resources": [], "changes": [], "settings": []}


def test_verify_checks_every_kind_and_exits_0(live: Live) -> None:
    document = json.loads(live.citadel("verify", "--output", "json").stdout)
    kinds = {check["kind"] for check in document["checks"]}
    assert kinds == {"answer", "health", "unit", "target", "series"}
    assert document["ok"]
    hosts = {check["subject"].split()[0] for check in document["checks"] if check["kind"] == "unit"}
    assert hosts == {"llm-1", "edge-1", "data-1", "metrics-1"}


def test_verify_and_status_fail_when_a_unit_is_down_and_name_it(live: Live) -> None:
    live.ssh("data-1", "systemctl", "stop", "citadel-redis.service")
    try:
        document = json.loads(live.citadel("verify", "--output", "json", code=1).stdout)
        failed = {check["subject"] for check in document["checks"] if not check["ok"]}
        assert "data-1 citadel-redis.service" in failed
        live.citadel("status", code=1)
    finally:
        live.ssh("data-1", "systemctl", "start", "citadel-redis.service")
    live.citadel("verify")


def test_status_shows_hosts_units_and_endpoints(live: Live) -> None:
    document = json.loads(live.citadel("status", "--output", "json").stdout)
    assert set(document["hosts"]) == {"llm-1", "edge-1", "data-1", "metrics-1"}
    assert document["endpoints"]["gateway"].startswith("http://127.0.0.1:")
    assert "citadel-gateway@1.service" in live.citadel("status").stdout


def test_logs_shows_the_journal_of_a_service(live: Live) -> None:
    assert "citadel" in live.citadel("logs", "gateway", "--lines", "20").stdout


def test_a_key_is_required_and_bad_requests_have_openai_s_error_shape(live: Live) -> None:
    question = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
    for key in (None, "ck_wrong"):
        reply = live.gateway("POST", "/v1/chat/completions", question, key=key)
        assert reply.status == 401
        assert set(reply.json()["error"]) >= {"message", "type", "code"}
    unknown = live.ask(model="gpt-none")
    assert (unknown.status, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert live.gateway("POST", "/invocations", question).status == 404
    assert [m["id"] for m in live.gateway("GET", "/v1/models").json()["data"]] == ["tiny"]


def test_a_stream_ends_with_done(live: Live) -> None:
    reply = live.ask(stream=True)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.body.rstrip().endswith("data: [DONE]")


def test_the_engine_cannot_be_reached_past_its_proxy(live: Live) -> None:
    engine = live.ssh("llm-1", "ss", "-Hltn")
    listening = [line.split()[3] for line in engine.splitlines()]
    assert "127.0.0.1:8101" in listening
    assert not any(address in listening for address in ("0.0.0.0:8101", "*:8101", "[::]:8101"))


def test_an_engine_that_dies_gives_503_at_once_and_comes_back_by_itself(live: Live) -> None:
    live.ssh("llm-1", "systemctl", "kill", "--signal=KILL", "citadel-vllm@tiny.service")
    started = time.monotonic()
    reply = live.ask()
    assert time.monotonic() - started < 10
    assert reply.status == 503
    assert int(reply.headers["retry-after"]) >= 1
    assert reply.json()["error"]["message"]
    wait_until(lambda: live.ask().status == 200, "the engine answers again", seconds=300)
    assert live.gateway("GET", "/health/ready", key=None).status == 200


def test_pulumi_and_ansible_run_by_themselves_and_find_nothing_to_do(live: Live) -> None:
    live.tool("pulumi", "preview", "-s", "test", "--refresh", "--expect-no-changes")
    checked = live.tool(*SITE, "--check", "--diff").stdout
    assert "+++" not in checked, checked
    assert set(re.findall(r"changed=(\d+)", checked)) == {"0"}
    live.tool(*SITE, "--limit", "metrics-1", "--tags", "prometheus")


def test_a_tampered_file_is_reported_and_repaired_and_nothing_else_touched(live: Live) -> None:
    path = "/opt/citadel/redis/current/redis.conf"
    before = live.ssh("data-1", "systemctl", "show", "-p", "MainPID", "citadel-postgres.service")
    live.ssh("data-1", "bash", "-c", f"echo maxclients 7 >> {path}")
    planned = json.loads(live.citadel("plan", "--output", "json", code=2).stdout)
    assert [(c["host"], c["role"]) for c in planned["changes"]] == [("data-1", "redis")]
    report = live.tool(*SITE, "--check", "--diff", "--limit", "data-1").stdout
    assert "-maxclients 7" in report
    assert "changed=1 " in report
    live.tool(*SITE)
    assert "maxclients 7" not in live.ssh("data-1", "cat", path)
    after = live.ssh("data-1", "systemctl", "show", "-p", "MainPID", "citadel-postgres.service")
    assert before == after
    assert "+++" not in live.tool(*SITE, "--check", "--diff").stdout


def test_a_removed_host_is_seen_and_repaired_and_its_rows_are_still_there(live: Live) -> None:
    sql = "create table if not exists kept (v text); insert into kept values ('still here')"
    psql = "/usr/lib/postgresql/15/bin/psql"
    query = [psql, "-h", "/run/citadel-postgres", "-p", "5433", "-U", "postgres"]
    live.ssh("data-1", *query, "-d", "citadel_ai", "-c", sql)
    remove_host(live, "data-1")
    live.tool("pulumi", "preview", "-s", "test", "--refresh", "--expect-no-changes", code=7)
    assert live.citadel("status", code=4).returncode == 4
    live.citadel("up")
    rows = live.ssh("data-1", *query, "-d", "citadel_ai", "-Atc", "select v from kept")
    assert "still here" in rows


def test_two_ups_at_once_one_is_refused_with_the_holder_s_name(live: Live) -> None:
    first = live.start("up")
    try:
        lock = CHECKOUT / ".citadel" / live.name / "lock"
        wait_until(lambda: lock.read_text() != "", "the first holds the lock", seconds=30)
        second = live.citadel("up", code=1)
        assert f"pid {first.pid}" in second.stderr
    finally:
        shown, _ = first.communicate(timeout=600)
    assert first.returncode == 0, shown


def test_a_bad_engine_flag_is_refused_before_anything_is_touched(edited: Live) -> None:
    before, process = edited.file.read_text(), engine_process(edited)
    # Asked before the file is wrong: `citadel env` and `ssh` refuse such a file as well.
    with asked_throughout(edited) as statuses:
        with changed(edited) as document:
            document["models"]["tiny"]["engine"]["max_modle_len"] = 128
        refused = edited.citadel("up", code=3)
    assert "max_model_len" in refused.stdout + refused.stderr
    assert set(statuses) == {200}
    edited.file.write_text(before)
    assert engine_process(edited) == process


def test_a_flag_that_vllm_refuses_leaves_the_running_engine_answering(edited: Live) -> None:
    before, process = edited.file.read_text(), engine_process(edited)
    with changed(edited) as document:
        # More than the model's own length: vLLM's judge on the host says no.
        document["models"]["tiny"]["engine"]["max_model_len"] = 1000000
    with asked_throughout(edited) as statuses:
        failed = edited.citadel("up", code=1)
    assert "max_model_len" in failed.stdout + failed.stderr
    assert engine_process(edited) == process
    assert len(statuses) > 3
    assert set(statuses) == {200}
    edited.file.write_text(before)
    edited.citadel("up")
    assert engine_process(edited) == process


def test_an_engine_that_dies_at_start_is_put_back_and_serves_again(edited: Live) -> None:
    before, process = edited.file.read_text(), engine_process(edited)
    applied = edited.ssh("llm-1", "cat", "/opt/citadel/vllm/current/tiny.yaml")
    with changed(edited) as document:
        # Half of what one request of 512 tokens needs: only a starting engine finds that out.
        document["models"]["tiny"]["engine"]["kv_cache_memory_bytes"] = "256K"
    failed = edited.citadel("up", code=1)
    assert "citadel-vllm@tiny.service" in failed.stdout + failed.stderr
    assert "Everything was put back as it was" in failed.stdout + failed.stderr
    assert edited.ssh("llm-1", "cat", "/opt/citadel/vllm/current/tiny.yaml") == applied
    # The gateway looks every few seconds; the engine itself serves when `up` has ended.
    wait_until(lambda: edited.ask().status == 200, "the gateway sees the engine", seconds=20)
    assert engine_process(edited) not in (process, 0)
    edited.file.write_text(before)
    edited.citadel("up")


def test_a_role_that_leaves_the_file_is_removed_from_its_host(edited: Live) -> None:
    before = edited.file.read_text()
    with changed(edited) as document:
        document["hosts"]["metrics-1"]["roles"].remove("alertmanager")
    edited.citadel("up")
    active = edited.ssh("metrics-1", "systemctl", "is-active", "citadel-alertmanager", code=None)
    assert active.strip() != "active"
    edited.ssh("metrics-1", "test", "!", "-e", "/opt/citadel/alertmanager")
    edited.file.write_text(before)
    edited.citadel("up")
    edited.ssh("metrics-1", "systemctl", "is-active", "citadel-alertmanager")


def test_a_host_that_leaves_the_file_is_removed(edited: Live) -> None:
    before = edited.file.read_text()
    with changed(edited) as document:
        document["hosts"]["edge-2"] = {"roles": ["gateway"], "memory": "1GiB"}
    edited.citadel("up")
    assert "edge-2" in json.loads(edited.citadel("status", "--output", "json").stdout)["hosts"]
    edited.file.write_text(before)
    planned = json.loads(edited.citadel("plan", "--output", "json", code=2).stdout)
    assert any("edge-2" in resource for resource in planned["resources"])
    edited.citadel("up")
    assert "edge-2" not in json.loads(edited.citadel("status", "--output", "json").stdout)["hosts"]


def test_another_file_of_the_same_name_drives_nothing(live: Live, tmp_path: Path) -> None:
    other = Live(tmp_path / "test.yaml")
    other.file.write_text(live.file.read_text())
    for words in (("destroy", "--yes"), ("up",), ("status",)):
        refused = other.citadel(*words, code=3)
        assert str(other.file) in refused.stderr
        assert "build/environments/test.yaml" in refused.stderr
    assert live.ask().status == 200


@contextmanager
def changed(live: Live) -> Iterator[dict[str, Any]]:
    """Write the environment's file anew, as it was changed within."""
    document = yaml.safe_load(live.file.read_text())
    yield document
    live.file.write_text(yaml.safe_dump(document))


def engine_process(live: Live) -> int:
    """Return the main process of the tiny model's engine; 0 where none runs."""
    show = ("systemctl", "show", "-p", "MainPID", "--value", "citadel-vllm@tiny.service")
    return int(live.ssh("llm-1", *show))


@contextmanager
def asked_throughout(live: Live) -> Iterator[list[int]]:
    """Ask without a pause while the block runs; the statuses are whole after it, 0: no answer."""
    statuses, ended = [live.ask().status], threading.Event()

    def ask() -> None:
        while not ended.is_set():
            try:
                statuses.append(live.ask().status)
            except OSError:
                statuses.append(0)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        thread.join()


def remove_host(live: Live, host: str) -> None:
    """Remove a host's container of this checkout behind everybody's back."""
    name = next(n for n in objects(live.name)["container"] if n.endswith(f"-{host}"))
    podman("rm", "--force", name)
