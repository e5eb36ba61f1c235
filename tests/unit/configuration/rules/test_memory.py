from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic
from hxp_enterprise_llm.configuration.rules.memory import (
    GIB,
    MIB,
    gib,
    kv_cache_of,
    need_on_cpu,
    weights_of,
)
from hxp_enterprise_llm.schemas.models import Model

Judge = Callable[[dict[str, Any]], list[Diagnostic]]


def model(source: str = "hf:org/model", **fields: Any) -> Model:
    return Model.model_validate({"source": source, "sha256": "0" * 64, **fields})


def test_the_estimate_for_smollm2_is_above_what_was_measured_but_not_by_a_fifth() -> None:
    measured = 4.4e9
    estimate = need_on_cpu(257 * MIB, 1 * GIB)
    assert measured < estimate < 1.2 * measured


def test_a_model_that_does_not_fit_is_refused_with_both_ways_out(judge: Judge) -> None:
    (problem,) = judge({"hosts/llm-1/memory": "4GiB"})
    assert (problem.code, problem.path) == ("C210", ("hosts", "llm-1", "memory"))
    assert problem.message == ("small needs about 4.5 GiB with this KV cache, llm-1 offers 4 GiB.")
    assert problem.fix == (
        "Give llm-1 5 GiB, or set models.small.engine.kv_cache_memory_bytes to 448M."
    )


def test_following_the_cure_cures(judge: Judge) -> None:
    cured = {"hosts/llm-1/memory": "4GiB", "models/small/engine/kv_cache_memory_bytes": "448M"}
    assert judge(cured) == []
    assert judge({"hosts/llm-1/memory": "5GiB"}) == []


def test_no_smaller_cache_is_proposed_where_none_would_help(judge: Judge) -> None:
    (problem,) = judge({"hosts/llm-1/memory": "2GiB"})
    assert problem.fix == "Give llm-1 5 GiB."


def test_all_models_of_a_host_are_added_up(judge: Judge) -> None:
    second = {
        "source": "pypi:other==1",
        "sha256": "cd" * 32,
        "weights": "1GiB",
        "engine": {"kv_cache_memory_bytes": "1G"},
    }
    (problem,) = judge({"models/other": second})
    assert problem.message.startswith("small and other need about 9.6 GiB")
    assert judge({"models/other": {**second, "enabled": False}}) == []


def test_a_measured_exception_is_taken(judge: Judge, accept: Callable[..., Any]) -> None:
    waiver = {
        "rule": "C210",
        "path": "hosts.llm-1",
        "reason": "measured 3.2 GiB under load",
        "until": "2026-12-31",
    }
    loaded = accept({"hosts/llm-1/memory": "4GiB", "waivers": [waiver]})
    assert [item.code for item in loaded.waived] == ["C210"]
    assert loaded.warnings == ()


CUDA = {
    "hosts/llm-1": {
        "roles": ["vllm"],
        "memory": "64GiB",
        "accelerator": "cuda",
        "accelerators": 1,
        "accelerator_memory": "24GiB",
    }
}


def test_weights_that_do_not_fit_an_accelerator_are_refused(judge: Judge) -> None:
    (problem,) = judge({**CUDA, "models/small/weights": "60GiB"})
    assert problem.code == "C210"
    assert problem.message == (
        "the weights need about 68 GiB of each of 1 accelerators, llm-1 offers 22.1 GiB."
    )


def test_engines_that_share_an_accelerator_may_not_take_more_than_there_is(judge: Judge) -> None:
    other = {"source": "pypi:other==1", "sha256": "cd" * 32, "weights": "1GiB"}
    (problem,) = judge({**CUDA, "models/other": other})
    assert problem.message == "small and other take 1.84 accelerators, llm-1 has 1."
    halves = {"gpu_memory_utilization": 0.45}
    fitting = {"models/small/engine": halves, "models/other": {**other, "engine": halves}}
    assert judge({**CUDA, **fitting}) == []


def test_an_accelerator_host_needs_memory_of_its_own(judge: Judge) -> None:
    small = {**CUDA["hosts/llm-1"], "memory": "4GiB"}
    (problem,) = judge({"hosts/llm-1": small})
    assert "of the host's own memory, llm-1 offers 4 GiB" in problem.message


def test_a_cpu_model_without_a_cache_size_is_refused(judge: Judge) -> None:
    (problem,) = judge({"models/small/engine": {"max_model_len": 2048}})
    assert (problem.code, problem.path) == ("C211", ("models", "small", "engine"))
    assert problem.message == (
        "on a CPU the KV cache needs a size, else vLLM takes the whole machine."
    )
    assert problem.fix == "Write `kv_cache_memory_bytes: 1G`."


def test_a_model_of_unknown_size_is_warned_about(judge: Judge) -> None:
    (problem,) = judge({"models/small/weights": None})
    assert (problem.code, problem.severity) == ("C212", "warning")
    assert problem.fix == "Write `weights:` with their size in memory, such as 257MiB."


@pytest.mark.parametrize(
    ("source", "fields", "expected"),
    [
        ("hf:Qwen/Qwen2.5-7B-Instruct", {}, 14 * 10**9),
        ("hf:mistralai/Mixtral-8x7B", {}, 112 * 10**9),
        ("hf:org/Model-135M", {}, 270 * 10**6),
        ("hf:org/Model-1.5b-awq", {"engine": {"quantization": "awq"}}, 9 * 10**8),
        ("hf:org/Model-1B", {"engine": {"dtype": "float32"}}, 4 * 10**9),
        ("hf:org/Model-1B", {"weights": "3GiB"}, 3 * GIB),
        ("hf:org/Model-v3", {}, None),
    ],
)
def test_the_size_of_weights_is_written_or_told_from_the_name(
    source: str, fields: dict[str, Any], expected: int | None
) -> None:
    assert weights_of("name", model(source, **fields)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"engine": {"kv_cache_memory_bytes": "1G"}}, GIB),
        ({"engine": {"kv_cache_memory_bytes": "512M"}}, 512 * MIB),
        ({"engine": {"kv_cache_memory_bytes": "1g"}}, 10**9),
        ({"engine": {"kv_cache_memory_bytes": 5}}, 5),
        ({"environment": {"VLLM_CPU_KVCACHE_SPACE": 2}}, 2 * GIB),
        ({}, None),
    ],
)
def test_the_size_of_the_cache_is_read_as_vllm_reads_it(
    fields: dict[str, Any], expected: int | None
) -> None:
    assert kv_cache_of(model(**fields)) == expected


def test_sizes_are_shown_as_people_write_them() -> None:
    assert (gib(4 * GIB), gib(4.55 * GIB)) == ("4 GiB", "4.5 GiB")


def test_a_cache_of_null_is_no_size(judge: Judge) -> None:
    (problem,) = judge({"models/small/engine": {"kv_cache_memory_bytes": None}})
    assert problem.code == "C211"


@pytest.mark.parametrize(
    ("roles", "memory", "need"),
    [
        (["gateway"], "1MiB", 200),
        (["gateway"], "199MiB", 200),
        (["postgres", "redis", "exporters"], "128MiB", 148),
        (["prometheus", "alertmanager"], "155MiB", 156),
    ],
)
def test_a_host_without_an_engine_has_the_memory_of_its_roles(
    judge: Judge, roles: list[str], memory: str, need: int
) -> None:
    host = {"hosts/other-1": {"roles": roles, "memory": memory}}
    (problem,) = (item for item in judge(host) if item.code == "C214")
    assert problem.path == ("hosts", "other-1", "memory")
    assert problem.message == f"the roles of other-1 need {need} MiB at least."
    cured = {"hosts/other-1": {"roles": roles, "memory": problem.fix.split()[2]}}
    assert "C214" not in [item.code for item in judge(cured)]


def test_other_roles_of_an_engine_host_are_counted(judge: Judge) -> None:
    alone = judge({"hosts/llm-1": {"roles": ["vllm"], "memory": "4700MiB"}})
    assert [item.code for item in alone] == []
    beside = judge({"hosts/llm-1": {"roles": ["vllm", "prometheus"], "memory": "4700MiB"}})
    assert [item.code for item in beside] == ["C210"]


def test_no_machine_has_endless_memory(judge: Judge) -> None:
    (problem,) = judge({"hosts/edge-1/memory": "129TiB"})
    assert problem.fix == "Write the memory of one machine, at most 128TiB."
    assert judge({"hosts/edge-1/memory": "128TiB"}) == []
