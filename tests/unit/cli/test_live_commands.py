"""Commands on an environment that is up: what they print, their documents, their exit codes."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from typing import Any

import pytest

from hxp_enterprise_llm.cli.main import run
from hxp_enterprise_llm.testing.programs import unit
from hxp_enterprise_llm.testing.world import World

ENTRY = {"MESSAGE": "ready", "__REALTIME_TIMESTAMP": "1"}


class ReplacedError(Exception):
    """The process would be another program now."""


@pytest.fixture
def live(world: World) -> World:
    """An environment that is up."""
    world.engine.made = True
    return world


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the words that the process is replaced by, once it is."""
    words: list[str] = []

    def execvp(_program: str, command: Sequence[str]) -> None:
        words.extend(command)
        raise ReplacedError

    monkeypatch.setattr(os, "execvp", execvp)
    return words


# verify


def test_verify_prints_a_table_and_counts(live: World) -> None:
    shown = live.citadel("verify", "demo")
    assert "✓  answer  tiny plain" in shown
    assert shown.splitlines()[-1].endswith(" checks, 0 failed")


def test_verify_ends_with_1_for_a_check_that_failed(live: World) -> None:
    live.shells.units["data-1"][2] = unit("redis", active="failed", health="")
    document = live.document("verify", "demo", code=1)
    assert not document["ok"]
    failed = [check for check in document["checks"] if not check["ok"]]
    assert [(c["subject"], c["reachable"]) for c in failed] == [
        ("data-1 citadel-redis.service", True)
    ]


def test_verify_ends_with_4_for_a_host_that_is_away(live: World) -> None:
    live.shells.away = {"data-1"}
    document = live.document("verify", "demo", code=4)
    failed = [check for check in document["checks"] if not check["ok"]]
    assert [(check["subject"], check["reachable"]) for check in failed] == [("data-1", False)]


@pytest.mark.parametrize("command", ["verify", "status", "hosts list"])
def test_what_was_never_brought_up_ends_with_4(command: str, world: World) -> None:
    error = world.document(*command.split(), "demo", code=4)["error"]
    assert (error["code"], error["next_step"]) == ("citadel.unreachable", "run: citadel up demo")


# status


def test_status_shows_units_and_endpoints(live: World) -> None:
    live.shells.units["llm-1"][1]["restarts"] = 2
    lines = live.citadel("status", "demo").splitlines()
    line = next(line for line in lines if "citadel-vllm.service" in line)
    assert line.split() == [
        "llm-1", "citadel-vllm.service", "active", "ok", "32", "MiB", "2", "restarts",
    ]  # fmt: skip
    assert f"  gateway       http://127.0.0.1:{live.daemons.port}/v1" in lines


def test_status_ends_with_4_for_a_host_that_is_away_and_shows_the_others(live: World) -> None:
    live.shells.away = {"data-1"}
    document = live.document("status", "demo", code=4)
    assert document["hosts"]["data-1"]["reachable"] is False
    assert "Connection timed out" in document["hosts"]["data-1"]["error"]
    assert document["hosts"]["llm-1"]["units"][0]["unit"] == "citadel-base.service"
    assert "away" in live.citadel("status", "demo", code=4)


def test_status_ends_with_1_for_a_host_that_answers_with_an_error(live: World) -> None:
    live.shells.broken = {"data-1": "sudo: a password is required"}
    document = live.document("status", "demo", code=1)
    assert document["hosts"]["data-1"]["reachable"] is True
    assert "a password" in document["hosts"]["data-1"]["error"]
    assert "away" not in live.citadel("status", "demo", code=1)


def test_status_ends_with_1_for_a_unit_whose_health_check_fails(live: World) -> None:
    live.shells.units["data-1"][2] = unit("redis", health="timed out")
    assert "timed out" in live.citadel("status", "demo", code=1)


# logs


def test_logs_asks_the_journal_of_the_units_of_a_service(live: World) -> None:
    live.shells.journal = ["2026-01-01 ready"]
    assert live.citadel("logs", "demo", "redis", "--lines", "5") == "2026-01-01 ready\n"
    asked = shlex.split(live.called("ssh")[-1][-1])
    assert asked == [
        "sudo", "journalctl", "--no-pager", "-o", "short-iso", "-n", "5",
        "--unit=citadel-redis.service",
    ]  # fmt: skip


def test_logs_of_several_hosts_are_headed_by_their_names(live: World) -> None:
    live.shells.journal = ["a line"]
    shown = live.citadel("logs", "demo", "base")
    assert shown.splitlines()[::2] == ["== llm-1", "== edge-1", "== data-1", "== metrics-1"]


def test_logs_as_json_are_the_entries_of_each_host(live: World) -> None:
    live.shells.journal = [json.dumps(ENTRY)]
    assert live.document("logs", "demo", "redis") == {
        "service": "redis",
        "hosts": {"data-1": [ENTRY]},
    }
    assert "-o json --quiet" in live.called("ssh")[-1][-1]


@pytest.mark.parametrize(("form", "word"), [("text", "short-iso"), ("json", "json")])
def test_following_becomes_ssh_itself(
    form: str, word: str, live: World, executed: list[str]
) -> None:
    with pytest.raises(ReplacedError):
        run(["logs", "demo", "redis", "--follow", "--output", form])
    assert executed[0] == "ssh"
    assert f"-o {word} " in executed[-1]
    assert executed[-1].endswith("--unit=citadel-redis.service --follow")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["base", "--follow"], "base runs on llm-1, edge-1, data-1, metrics-1"),
        (["redsi"], "no host of demo has the role redsi"),
        (["redis", "--host", "llm-1"], "no host of demo named llm-1 has the role redis"),
    ],
)
def test_logs_of_what_is_not_there_say_so(words: list[str], told: str, live: World) -> None:
    error = live.document("logs", "demo", *words, code=1)["error"]
    assert error["message"] == told
    assert error["next_step"]


def test_logs_of_a_service_that_was_never_applied_say_so(live: World) -> None:
    live.shells.units["data-1"] = [unit("base")]
    error = live.document("logs", "demo", "redis", code=1)["error"]
    assert error["message"] == "data-1: redis was never applied"


def test_logs_of_a_host_that_is_away_end_with_4(live: World) -> None:
    live.shells.away = {"data-1"}
    assert live.document("logs", "demo", "redis", code=4)["error"]["code"] == "citadel.unreachable"


# plan


def test_plan_ends_with_0_when_there_is_nothing_to_do(live: World) -> None:
    assert live.citadel("plan", "demo") == "demo is what its file says; nothing to do.\n"
    assert "--check" in live.called("ansible-playbook")[0]
    assert live.document("plan", "demo") == {"resources": [], "changes": [], "settings": []}


@pytest.mark.feature("CH-02")
def test_plan_shows_changed_settings_with_the_effect_of_their_change(live: World) -> None:
    live.citadel("up", "demo")
    text = live.file.read_text()
    live.file.write_text(text.replace("workers: 1}", "workers: 3, timeout: 200}"))
    prefix = "infrastructure_services.api_gateway."
    shown = live.citadel("plan", "demo").splitlines()
    assert f"  {prefix}workers: 1 → 3 (drain)" in shown
    assert f"  {prefix}timeout: 300.0 → 200.0 (drain)" in shown
    found = {one["path"]: one["effect"] for one in live.document("plan", "demo")["settings"]}
    assert found == {f"{prefix}workers": "drain", f"{prefix}timeout": "drain"}
    live.file.write_text(text)
    assert live.document("plan", "demo")["settings"] == []


def test_plan_ends_with_2_when_services_would_change(live: World) -> None:
    live.playbook.changes = {"data-1": ["update /etc/redis.conf"]}
    (change,) = live.document("plan", "demo", code=2)["changes"]
    assert (change["host"], change["details"]) == ("data-1", ["update /etc/redis.conf"])
    shown = live.citadel("plan", "demo", code=2)
    assert "update /etc/redis.conf" in shown
    assert shown.endswith("Apply: citadel up demo\n")


def test_plan_of_missing_hosts_does_not_look_into_them(live: World) -> None:
    live.engine.steps = ("data-1",)
    shown = live.citadel("plan", "demo", code=2)
    assert "  create host data-1\n" in shown
    assert "known once they are there" in shown
    assert not live.called("ansible-playbook")


def test_plan_of_hosts_that_are_away_ends_with_4(live: World) -> None:
    live.playbook.away = ["data-1"]
    assert live.document("plan", "demo", code=4)["error"]["exit_code"] == 4


# env


def test_env_prints_exports_with_the_key(live: World) -> None:
    shown = live.citadel("env", "demo")
    assert f"export OPENAI_BASE_URL=http://127.0.0.1:{live.daemons.port}/v1\n" in shown
    assert "export OPENAI_API_KEY=ck_" in shown
    assert "export PULUMI_BACKEND_URL=file://" in shown
    document: dict[str, Any] = live.document("env", "demo")
    assert f"export OPENAI_API_KEY={document['OPENAI_API_KEY']}\n" in shown


def test_env_of_what_was_never_brought_up_has_no_key(world: World) -> None:
    assert "OPENAI_API_KEY" not in world.document("env", "demo")


# ssh


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (["data-1"], ["--", "127.0.0.1"]),
        (["data-1", "--", "ls", "a b"], ["--", "127.0.0.1", "ls 'a b'"]),
    ],
)
def test_ssh_becomes_ssh_itself(
    words: list[str], end: list[str], live: World, executed: list[str]
) -> None:
    with pytest.raises(ReplacedError):
        run(["ssh", "demo", *words])
    assert executed[-len(end) :] == end
    assert ("-t" in executed) is (len(words) == 1)


def test_ssh_to_an_unknown_host_names_those_that_exist(
    live: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ssh", "demo", "data-9"]) == 1
    assert "Its hosts: llm-1, edge-1, data-1, metrics-1" in capsys.readouterr().err


# hosts


def test_hosts_up_makes_hosts_and_configures_nothing(world: World) -> None:
    document = world.document("hosts", "up", "demo")
    assert document == {"environment": "demo", "changed": True, "resources": {"create": 4}}
    assert not world.called("ansible-playbook")
    assert " 1/1 hosts        = llm-1" in world.citadel("hosts", "up", "demo")


def test_hosts_list_tells_how_to_reach_them(live: World) -> None:
    shown = live.citadel("hosts", "list", "demo")
    assert "data-1     postgres redis exporters  10.200.0.13  citadel@127.0.0.1:10013" in shown
    assert set(live.document("hosts", "list", "demo")["hosts"]) == set(live.playbook.hosts)


# destroy


@pytest.mark.parametrize("command", [["destroy"], ["hosts", "down"]])
def test_destroy_with_yes_removes_all_and_sweeps(command: list[str], live: World) -> None:
    document = live.document(*command, "demo", "--yes")
    assert (document["environment"], document["removed"]) == ("demo", True)
    assert document["resources"] == [f"host {name}" for name in live.playbook.hosts]
    assert not live.engine.made
    assert live.called("pulumi-resource-citadel-local")


def test_a_dry_run_tells_and_removes_nothing(live: World) -> None:
    shown = live.citadel("destroy", "demo", "--dry-run")
    assert "  host data-1\n" in shown
    assert live.document("destroy", "demo", "--dry-run")["removed"] is False
    assert live.engine.made


def test_a_script_without_yes_is_refused(live: World) -> None:
    error = live.document("destroy", "demo", code=3)["error"]
    assert error["next_step"] == "Give --yes in scripts."
    assert live.engine.made


@pytest.mark.parametrize(("said", "code", "made"), [("y", 0, False), ("n", 1, True)])
def test_on_a_terminal_destroy_asks(
    said: str, code: int, made: bool, live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: said == "y")
    live.citadel("destroy", "demo", code=code)
    assert live.engine.made is made


def test_destroy_of_what_was_never_brought_up_still_sweeps(world: World) -> None:
    assert world.document("destroy", "demo")["resources"] == []
    assert world.called("pulumi-resource-citadel-local")


# toolchain


def test_toolchain_tells_which_engine_is_used(world: World) -> None:
    document = world.document("toolchain")
    assert (document["version"], document["source"], document["built"]) == (
        "3.250.0", "on PATH", False,
    )  # fmt: skip
    assert world.citadel("toolchain").startswith("pulumi 3.250.0  ")


# artifacts


def test_artifacts_fetch_brings_what_is_missing_and_then_nothing(world: World) -> None:
    document = world.document("artifacts", "fetch", "demo")
    assert (document["environment"], document["changed"]) == ("demo", True)
    assert document["summary"].startswith("vllm-cpu gateway tiny (")
    assert " 1/1 artifacts    = vllm-cpu gateway tiny" in world.citadel(
        "artifacts", "fetch", "demo"
    )


def test_artifacts_list_and_verify_tell_that_all_is_there(world: World) -> None:
    world.citadel("artifacts", "fetch", "demo")
    assert [row["present"] for row in world.document("artifacts", "list", "demo")] == [True] * 3
    assert "present" in world.citadel("artifacts", "list", "demo")
    assert world.document("artifacts", "verify", "demo") == []


def test_artifacts_gc_tells_what_would_go_and_then_removes_it(world: World) -> None:
    world.citadel("artifacts", "fetch", "demo")
    world.file.unlink()
    found = world.document("artifacts", "gc")
    assert found["removed"] is False
    assert found["bytes"] == sum(item["bytes"] for item in found["items"]) > 0
    assert world.document("artifacts", "gc", "--yes")["items"] == found["items"]
    assert world.document("artifacts", "gc")["items"] == []
