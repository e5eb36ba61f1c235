from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hxp_enterprise_llm.orchestration.bundle.render import render
from hxp_enterprise_llm.orchestration.bundle.spec import RenderedBundle
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.orchestration.resolvers.vllm import resolve
from hxp_enterprise_llm.testing.factories import HOSTS, MODELS, context

UNIT = "/etc/systemd/system/citadel-vllm@tiny.service"
SCRIPT = checkout() / "roles/vllm/templates/await_health.py"
MAKE_ROOM = SCRIPT.with_name("make_room.py")


def bundle(**sections: Any) -> RenderedBundle:
    data = resolve(context(**sections), "llm-1")
    return render("vllm", data.model_dump(mode="json"), "llm-1", "test")


def content(rendered: RenderedBundle, place: str) -> str:
    return next(file.content for file in rendered.files if place in (file.tree, file.path))


def test_each_engine_has_its_own_unit_and_arguments() -> None:
    rendered = bundle()
    assert [unit.name for unit in rendered.units] == [
        "citadel-vllm@tiny.service",
        "citadel-vllm@vectors.service",
        "citadel-engine-proxy.service",
    ]
    arguments = yaml.safe_load(content(rendered, "tiny.yaml"))
    assert arguments["served-model-name"] == "tiny"
    assert "tiny.yaml" in content(rendered, UNIT)


def test_a_change_of_one_engine_does_not_restart_the_other() -> None:
    for unit in bundle().units[:2]:
        instance = unit.name.partition("@")[2].removesuffix(".service")
        assert unit.restart_on == (f"{instance}.yaml", f"/etc/systemd/system/{unit.name}")


def test_the_unit_drains_and_is_active_when_it_answers() -> None:
    text = content(bundle(), UNIT)
    for line in ("Type=exec", "KillMode=mixed", "TimeoutStopSec=60", "Restart=on-failure"):
        assert f"\n{line}\n" in text
    assert "ExecStartPost=/usr/bin/python3 -I" in text
    assert "http://127.0.0.1:8101/health $MAINPID 600" in text
    assert "User=citadel-vllm" in text
    assert "IPAddressDeny=any" in text


def test_values_of_variables_cannot_leave_their_quotes() -> None:
    models = {"tiny": MODELS["tiny"] | {"environment": {"VLLM_X": 'a"b\\c %n'}}}
    text = content(bundle(models=models), UNIT)
    assert 'Environment="VLLM_X=a\\"b\\\\c %%n"' in text


def test_the_proxy_opens_the_calls_of_a_task_and_no_other_path() -> None:
    config = content(bundle(), "haproxy.cfg")
    tiny = config.split("frontend tiny")[1].split("frontend vectors")[0]
    assert "acl call path /v1/chat/completions /v1/completions\n" in tiny
    assert "status 404" in tiny
    assert "if !call !look !scrape" in tiny
    vectors = config.split("frontend vectors")[1].split("frontend _exporter")[0]
    assert "acl call path /v1/embeddings\n" in vectors
    assert "acl caller src 127.0.0.0/8 10.200.0.11 10.200.0.12\n" in tiny
    for closed in ("invocations", "tokenize", "pause", "path_beg"):
        assert closed not in config


def test_the_proxy_answers_at_once_while_an_engine_is_away() -> None:
    config = content(bundle(), "haproxy.cfg")
    assert "retries 0" in config
    assert "hdr Retry-After 2" in config


def test_proxy_and_vllm_judge_their_files_before_anything_is_applied() -> None:
    rendered = bundle()
    python = f"{resolve(context(), 'llm-1').venv}/bin/python"
    assert rendered.validators[0] == ("haproxy", "-c", "-q", "-f", "{tree}/haproxy.cfg")
    for words, name in zip(rendered.validators[1:], ("tiny", "vectors"), strict=True):
        assert words[:3] == (python, "{tree}/check_arguments.py", f"{{tree}}/{name}.yaml")
        assert "HF_HUB_OFFLINE=1" in words[3:]


def test_a_gpu_host_opens_its_devices_and_a_cpu_host_none() -> None:
    hosts = {**HOSTS, "llm-1": {"roles": ["vllm"], "memory": "64GiB", "accelerator": "cuda"}}
    gpu = bundle(hosts=hosts)
    assert "DeviceAllow=char-nvidia* rw" in content(gpu, UNIT)
    assert gpu.users[0].groups == ("video", "render")
    assert "PrivateDevices=yes" in content(bundle(), UNIT)


@pytest.mark.parametrize(
    ("pid", "seconds", "text"), [("4194305", "30", "ended"), ("self", "0", "not healthy after 0 s")]
)
def test_the_health_wait_ends_when_the_engine_is_dead_or_late(
    pid: str, seconds: str, text: str
) -> None:
    command = [sys.executable, "-I", str(SCRIPT), "http://127.0.0.1:9/health", pid, seconds]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert text in done.stderr


def test_the_health_wait_ends_well_when_the_engine_answers(tmp_path: Path) -> None:
    answer = tmp_path / "health"
    answer.touch()
    command = [sys.executable, "-I", str(SCRIPT), answer.as_uri(), "self", "30"]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0


def make_room(groups: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(MAKE_ROOM), str(groups)]
    return subprocess.run(command, check=True, capture_output=True, text=True)


def test_the_page_cache_of_a_limited_host_is_freed_before_the_engine_starts(tmp_path: Path) -> None:
    assert "ExecStartPre=+/usr/bin/python3 -I" in content(bundle(), UNIT)
    statistics = "anon 900\ninactive_file 200\nactive_file 30\nshmem 5\n"
    for name, text in {"max": "4096\n", "stat": statistics, "reclaim": ""}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    make_room(tmp_path)
    assert (tmp_path / "memory.reclaim").read_text() == "230"


def test_the_page_cache_is_freed_under_control_groups_v1_too(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.limit_in_bytes").write_text("4294967296\n")
    make_room(tmp_path)
    assert (tmp_path / "memory/memory.force_empty").read_text() == "0"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("memory.max", "max\n"),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("other", ""),
    ],
)
def test_a_host_without_a_limit_keeps_its_page_cache(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / name).write_text(text)
    assert make_room(tmp_path).stderr == ""
    assert {path.name for path in tmp_path.rglob("*")} == {"memory", Path(name).name}


def test_a_kernel_that_frees_less_than_asked_keeps_no_engine_from_starting(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("4096\n")
    (tmp_path / "memory.stat").write_text("inactive_file 200\nactive_file 30\n")
    (tmp_path / "memory.reclaim").mkdir()
    assert "page cache" in make_room(tmp_path).stderr
