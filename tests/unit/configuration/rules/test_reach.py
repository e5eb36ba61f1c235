from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic

Judge = Callable[[dict[str, Any]], list[Diagnostic]]


def engine(argument: str, value: Any) -> dict[str, Any]:
    text = json.dumps(value) if isinstance(value, dict | list) else value
    return {"models/small/engine": {"kv_cache_memory_bytes": "1G", argument: text}}


BY_NAME = "loads code by name"
OPEN = "other hosts could reach it"
CODE = "runs code that comes with the weights"
REACHING: list[tuple[str, Any, str]] = [
    ("distributed_executor_backend", "evil.mod.Executor", BY_NAME),
    ("distributed_executor_backend", "external_launcher", BY_NAME),
    ("data_parallel_backend", "evil.mod.Executor", BY_NAME),
    ("compilation_config", {"mode": 1, "backend": "evil.mod.compile"}, BY_NAME),
    ("compilation_config", {"inductor_passes": {"a": "evil.mod.f"}}, BY_NAME),
    ("kv_transfer_config", {"kv_connector": "X", "kv_connector_module_path": "evil"}, BY_NAME),
    (
        "kv_transfer_config",
        {"kv_connector_extra_config": {"spec_name": "S", "spec_module_path": "evil"}},
        BY_NAME,
    ),
    ("ec_transfer_config", {"ec_connector_module_path": "evil"}, BY_NAME),
    ("ec_manager_config", {"encoder_cache_manager_cls": "evil.mod.C"}, BY_NAME),
    ("speculative_config", {"model": "m", "trust_remote_code": True}, CODE),
    ("speculative_config", {"method": "custom_class", "model": "evil.mod.C"}, BY_NAME),
    ("spec_method", "custom_class", BY_NAME),
    ("structured_outputs_config", {"reasoning_parser_plugin": "/tmp/x.py"}, "loads code"),
    ("hf_overrides", {"text_config": [{"trust_remote_code": True}]}, CODE),
    ("kv_events_config", {"enable_kv_cache_events": True, "publisher": "zmq"}, "tcp://*:5557"),
    ("kv_events_config", {"publisher": "zmq", "endpoint": "tcp://*:5557"}, OPEN),
    ("kv_events_config", {"publisher": "zmq", "endpoint": "tcp://0.0.0.0:5557"}, OPEN),
    ("kv_events_config", {"endpoint": "ipc:///x", "replay_endpoint": "tcp://*:1"}, OPEN),
    ("kv_transfer_config", {"kv_connector_extra_config": {"proxy_ip": "10.0.0.1"}}, OPEN),
    ("master_addr", "10.0.0.1", OPEN),
    ("data_parallel_address", "0.0.0.0", OPEN),
]


@pytest.mark.parametrize(("argument", "value", "reason"), REACHING)
def test_a_value_that_opens_the_engine_is_refused_however_deep_it_stands(
    judge: Judge, argument: str, value: Any, reason: str
) -> None:
    (problem,) = (item for item in judge(engine(argument, value)) if item.code == "C110")
    assert problem.path == ("models", "small", "engine", argument)
    assert problem.message.startswith("this value is never allowed: ")
    assert reason in problem.message
    assert "evil" not in str(problem)


@pytest.mark.parametrize("argument", ["logging_config", "log_config_file", "tool_server"])
def test_files_and_servers_that_bring_code_are_no_arguments(judge: Judge, argument: str) -> None:
    assert "C105" in [item.code for item in judge(engine(argument, "x"))]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("distributed_executor_backend", "mp"),
        ("distributed_executor_backend", "uni"),
        ("distributed_executor_backend", "ray"),
        ("compilation_config", {"mode": 3, "backend": "inductor"}),
        ("kv_events_config", {"publisher": "zmq", "endpoint": "tcp://127.0.0.1:5557"}),
        ("kv_events_config", {"enable_kv_cache_events": False}),
        ("kv_transfer_config", {"kv_connector": "OffloadingConnector", "kv_role": "kv_both"}),
        ("speculative_config", {"method": "ngram", "trust_remote_code": False}),
        ("master_addr", "127.0.0.1"),
        ("otlp_traces_endpoint", "http://collector:4317"),
        ("hf_overrides", {"rope_scaling": {"factor": 2.0}}),
        ("chat_template", "{{ messages }}"),
    ],
)
def test_values_that_keep_the_engine_private_are_taken(
    judge: Judge, argument: str, value: Any
) -> None:
    assert judge(engine(argument, value)) == []


@pytest.mark.parametrize("depth", [40, 900, 100_000])
def test_json_that_nests_without_end_is_refused_and_ends(judge: Judge, depth: int) -> None:
    text = '{"a":' * depth + "1" + "}" * depth
    assert {item.code for item in judge(engine("compilation_config", text))} & {"C110", "C103"}
