from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic
from hxp_enterprise_llm.configuration.rules.variables import NEVER

Judge = Callable[[dict[str, Any]], list[Diagnostic]]


def variables(**values: Any) -> dict[str, Any]:
    return {"models/small/environment": values}


@pytest.mark.parametrize("variable", sorted(NEVER))
def test_a_variable_that_opens_the_engine_is_never_allowed(judge: Judge, variable: str) -> None:
    (problem,) = judge(variables(**{variable: "1"}))
    assert problem.code == "C106"
    assert problem.message == f"this variable is never allowed: {NEVER[variable]}."
    assert problem.path == ("models", "small", "environment", variable)


def test_the_switches_of_the_security_guide_are_among_them() -> None:
    assert {
        "VLLM_SERVER_DEV_MODE",
        "VLLM_ALLOW_INSECURE_SERIALIZATION",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING",
    } <= set(NEVER)


@pytest.mark.parametrize(
    "variable", ["VLLM_API_KEY", "HF_TOKEN", "S3_SECRET_ACCESS_KEY", "DB_PASSWORD", "AWS_SECRET"]
)
def test_a_secret_in_a_variable_is_refused_and_not_shown(judge: Judge, variable: str) -> None:
    (problem,) = judge(variables(**{variable: "hunter2"}))
    assert problem.code == "C107"
    assert problem.message == "a secret must not stand in a variable."
    assert "hunter2" not in str(problem)


def test_a_mistyped_variable_is_refused_with_the_nearest_one(judge: Judge) -> None:
    (problem,) = judge(variables(VLLM_LOGING_LEVEL="DEBUG"))
    assert problem.code == "C108"
    assert problem.message == "vLLM does not know this variable."
    assert problem.fix == "Did you mean VLLM_LOGGING_LEVEL?"


def test_a_variable_that_the_role_sets_is_refused(judge: Judge) -> None:
    (problem,) = judge(variables(HF_HUB_OFFLINE="0"))
    assert problem.message == "the role sets this variable itself."


@pytest.mark.parametrize(
    "variable",
    ["VLLM_LOGGING_LEVEL", "OMP_NUM_THREADS", "VLLM_MAX_BAD_WORDS_TOTAL_TOKENS", "NCCL_DEBUG"],
)
def test_variables_of_vllm_and_its_libraries_are_taken(judge: Judge, variable: str) -> None:
    assert judge(variables(**{variable: "1"})) == []


def test_a_number_is_taken_as_the_text_of_a_variable(accept: Callable[..., Any]) -> None:
    loaded = accept(variables(OMP_NUM_THREADS=2))
    assert loaded.environment.models["small"].environment == {"OMP_NUM_THREADS": "2"}


@pytest.mark.parametrize("variable", ["VLLM_NOPE", "VLLM_API_KEYX", "VLLM_PLUGIN"])
def test_no_variable_is_proposed_that_is_itself_refused(judge: Judge, variable: str) -> None:
    (problem,) = judge(variables(**{variable: "1"}))
    proposed = problem.fix.removeprefix("Did you mean ").removesuffix("?")
    if proposed != "Remove it.":
        assert judge(variables(**{proposed: "1"})) == []


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        ("NCCL_NET_PLUGIN", "loads code"),
        ("CUDA_INJECTION64_PATH", "loads code"),
        ("HSA_TOOLS_LIB", "loads code"),
        ("TORCHINDUCTOR_CACHE_DIR", "loads code"),
        ("VLLM_NIXL_SIDE_CHANNEL_HOST", "listen beyond loopback"),
        ("VLLM_LOOPBACK_IP", "listen beyond loopback"),
        ("VLLM_DP_MASTER_IP", "listen beyond loopback"),
        ("NCCL_COMM_ID", "listen beyond loopback"),
    ],
)
def test_libraries_are_not_told_to_load_code_or_to_listen_elsewhere(
    judge: Judge, variable: str, reason: str
) -> None:
    (problem,) = judge(variables(**{variable: "1"}))
    assert problem.code == "C106"
    assert reason in problem.message


# What a site may set otherwise than the role does: none of it opens the engine.
TUNED = {
    "MALLOC_ARENA_MAX",
    "PYTHONDONTWRITEBYTECODE",
    "VLLM_LOGGING_COLOR",
    "VLLM_MAX_N_SEQUENCES",
}


def test_no_guard_that_the_role_sets_can_be_undone(judge: Judge) -> None:
    from hxp_enterprise_llm.orchestration.resolvers import vllm

    guards = set(vllm._ENVIRONMENT) - TUNED
    assert {"GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME", "VLLM_HOST_IP"} <= guards
    for variable in guards:
        (problem,) = judge(variables(**{variable: "eth0"}))
        assert problem.message == "the role sets this variable itself."
