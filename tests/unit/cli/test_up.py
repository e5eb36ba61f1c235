"""`citadel up`: its phases in order, what each failure says, what is told at the end."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from hxp_enterprise_llm.cli.main import run
from hxp_enterprise_llm.cli.up import PHASES
from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration import toolchain
from hxp_enterprise_llm.testing.daemons import ANSWER
from hxp_enterprise_llm.testing.programs import unit
from hxp_enterprise_llm.testing.world import World
from hxp_enterprise_llm.utilities.report import Report

CLOSING = re.compile(r"^ \d/6 (\w+) +(.*?) +[\d.]+ s$", re.MULTILINE)


def change(world: World, **sections: object) -> None:
    """Replace sections of the environment's file."""
    document = yaml.safe_load(world.file.read_text())
    world.file.write_text(yaml.safe_dump(document | sections))


def test_the_phases_run_in_order_and_the_answer_is_printed(world: World) -> None:
    shown = world.citadel("up", "demo")
    closed = dict(CLOSING.findall(shown))
    assert tuple(closed) == PHASES
    assert closed["toolchain"] == "= pulumi 3.250.0 (on PATH)"
    assert closed["artifacts"].startswith("vllm-cpu gateway tiny")
    assert closed["hosts"] == "llm-1 edge-1 data-1 metrics-1 (pulumi: +4)"
    assert closed["converge"] == "= 4 roles on 4 hosts"
    assert closed["verify"].endswith(" checks")
    assert closed["ask"] == '"What does a load balancer do?"'
    assert shown.splitlines()[shown.splitlines().index(f"{'':18}{ANSWER}") + 1].startswith(
        "demo is up in "
    )


def test_hosts_are_made_before_they_are_converged(world: World) -> None:
    world.citadel("up", "demo")
    names = [Path(words[0]).name for words in world.programs.calls]
    made = next(i for i, words in enumerate(world.programs.calls) if words[1:2] == ["up"])
    assert made < names.index("ansible-playbook") < names.index("ssh")


def test_the_end_tells_where_things_are_and_a_line_to_try(world: World) -> None:
    shown = world.citadel("up", "demo")
    url = f"http://127.0.0.1:{world.daemons.port}"
    assert re.search(rf"gateway     {url}/v1      key  ck_\S+", shown)
    assert f"prometheus  {url}\n" in shown
    assert f"curl {url}/v1/chat/completions -H 'Authorization: Bearer ck_" in shown
    assert '"model": "tiny"' in shown
    assert "citadel status demo · edit " in shown


def test_again_with_nothing_changed_every_phase_that_changes_says_so(world: World) -> None:
    world.citadel("up", "demo")
    closed = dict(CLOSING.findall(world.citadel("up", "demo")))
    assert [name for name, text in closed.items() if text.startswith("= ")] == list(PHASES[:4])


def test_after_make_the_numbers_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITADEL_PHASES_BEFORE", "2")
    assert " 3/8 toolchain" in world.citadel("up", "demo")


def test_the_document_holds_times_answer_endpoints_and_checks(world: World) -> None:
    document = world.document("up", "demo")
    url = f"http://127.0.0.1:{world.daemons.port}"
    assert (document["environment"], document["ok"], document["answer"]) == ("demo", True, ANSWER)
    assert tuple(document["seconds"]) == PHASES
    assert document["endpoints"] == {
        "gateway": f"{url}/v1", "prometheus": url, "alertmanager": url,
    }  # fmt: skip
    assert {check["kind"] for check in document["checks"]} >= {"answer", "unit", "series"}
    assert "ck_" not in json.dumps(document)


def test_with_json_progress_goes_to_stderr(world: World) -> None:
    run(["up", "demo", "--output", "json"])
    captured = world.capsys.readouterr()
    assert json.loads(captured.out)["ok"]
    assert " 6/6 ask" in captured.err


def no_compiler(work: Path, report: Report) -> None:
    raise CitadelError("no compiler")


def test_an_interrupted_run_is_cleared_first(world: World) -> None:
    world.engine.made, world.engine.pending = True, [{"type": "creating"}]
    assert "clearing 1 operations that never ended" in world.citadel("up", "demo")
    assert world.engine.pending == []


@pytest.mark.parametrize(
    ("phase", "told", "code"),
    [
        ("toolchain", "no Pulumi engine could be had", 1),
        ("artifacts", "tiny", 1),
        ("hosts", "pulumi up of demo failed\nport 1 is busy", 1),
        ("converge", "llm-1: role base: Apply the bundle failed\ndisk full", 1),
    ],
)
def test_an_error_ends_the_run_in_its_phase_and_says_what_to_do(
    phase: str, told: str, code: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if phase == "toolchain":
        monkeypatch.setenv("PATH", os.defpath)
        monkeypatch.setattr(toolchain, "from_source", no_compiler)
    elif phase == "artifacts":
        models = yaml.safe_load(world.file.read_text())["models"]
        change(world, models={"tiny": models["tiny"] | {"sha256": "0" * 64}})
    elif phase == "hosts":
        world.engine.fails["up"] = "port 1 is busy"
    else:
        world.playbook.failure = "disk full"
    error = world.document("up", "demo", code=code)["error"]
    assert told in error["message"]
    assert (error["where"], error["exit_code"]) == (f"phase {phase}", code)
    assert error["next_step"] or phase == "artifacts"
    started = PHASES.index(phase)
    assert bool(world.called("ansible-playbook")) == (started >= 3)
    assert not world.called("ssh")


def test_hosts_that_are_away_in_converge_end_with_4(world: World) -> None:
    world.playbook.away = ["data-1"]
    error = world.document("up", "demo", code=4)["error"]
    assert error["exit_code"] == 4
    assert "data-1" in error["message"]


def test_ctrl_c_in_a_phase_says_interrupted_and_what_goes_on(world: World) -> None:
    world.engine.interrupted = True
    assert run(["up", "demo"]) == 130
    captured = world.capsys.readouterr()
    assert " 3/6 hosts        interrupted" in captured.out
    assert "failed" not in captured.out
    assert captured.err.endswith("run the same command again: citadel up demo\n")
    world.engine.interrupted = False
    world.citadel("up", "demo")


def test_a_check_that_fails_is_shown_and_the_exit_code_is_1(world: World) -> None:
    world.shells.units["data-1"] = [
        unit("base"), unit("postgres"), unit("redis", active="failed"), unit("exporters"),
    ]  # fmt: skip
    assert run(["up", "demo"]) == 1
    captured = world.capsys.readouterr()
    assert "1 FAILED" in captured.out
    assert re.search(r"✗ +unit +data-1 citadel-redis.service", captured.out)
    assert ANSWER in captured.out
    assert "is up in" not in captured.out
    assert captured.err.startswith("demo is up, but 1 checks failed.\n  citadel logs demo")


def test_a_model_that_does_not_answer_is_told_as_a_check_and_not_asked_again(world: World) -> None:
    world.daemons.statuses["/v1/chat/completions"] = 503
    shown = world.citadel("up", "demo", code=1)
    assert dict(CLOSING.findall(shown))["ask"] == "not asked: verify got no answer"
    assert "the gateway answered 503" in shown
    assert len([path for _, path in world.daemons.asked if path.endswith("completions")]) == 2


def test_a_host_that_is_away_at_the_end_ends_with_4(world: World) -> None:
    world.shells.away = {"data-1"}
    document = world.document("up", "demo", code=4)
    assert not document["ok"]


def test_an_environment_without_a_chat_model_ends_well(world: World) -> None:
    change(world, models={})
    document = world.document("up", "demo")
    assert document["answer"] is None
    assert "try " not in world.citadel("up", "demo")


def test_an_environment_without_a_gateway_ends_well(world: World) -> None:
    hosts = {"data-1": {"roles": ["postgres", "redis", "exporters"], "memory": "1GiB"}}
    change(world, models={}, hosts=hosts)
    document = world.document("up", "demo")
    assert (document["ok"], document["answer"], document["endpoints"]) == (True, None, {})


def test_a_file_with_mistakes_touches_nothing(world: World) -> None:
    change(world, hosst={})
    error = world.document("up", "demo", code=3)["error"]
    assert error["findings"][0]["path"] == "hosst"
    assert world.programs.calls == []
