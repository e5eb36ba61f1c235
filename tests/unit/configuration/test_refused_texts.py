"""Texts that would break out of files are refused in words, and hide nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, InvalidEnvironmentError
from hxp_enterprise_llm.configuration.loader import load

Judge = Callable[[dict[str, Any]], list[Diagnostic]]
Write = Callable[[str, str], Path]
DATABASE = "integration_services/database"
SERVICES = "infrastructure_services"
BAD_MODEL = {
    "models/small/engine": {"max_modle_len": 1, "trust_remote_code": True},
    "models/small/shutdown_timeout": "1h",
    "hosts/llm-1/memory": "1GiB",
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("models/small/environment", {"VLLM_LOGGING_LEVEL": 'INFO"\nExecStartPre=+/bin/sh'}),
        ("models/small/environment", {"OMP_A\nB": "1"}),
        ("models/small/engine", {"tokenizer": "a\nb"}),
        ("models/small/served_name", 'a"\nb'),
        (f"{SERVICES}/configuration/config_path", '/etc, owner: nobody, mode: "0777"'),
        (f"{SERVICES}/storage/data_storage_path", "/opt/../etc"),
        (f"{SERVICES}/api_gateway/host", '0.0.0.0", port: 1} #'),
        (f"{DATABASE}/database", "x all 0.0.0.0/0 trust\nhost all"),
        (f"{DATABASE}/user", "postgres"),
        ("hosts/llm-1/address", "10.0.0.1\nx"),
        ("provider", {"kind": "ssh", "user": "-oProxyCommand=x", "identity_file": "k"}),
        ("provider", {"kind": "ssh", "user": "x", "identity_file": "k", "bastion": "-oProxy=x"}),
    ],
)
def test_a_text_that_breaks_out_is_one_error_with_a_cure(
    judge: Judge, key: str, value: Any
) -> None:
    problems = [item for item in judge({key: value}) if item.code == "C006"]
    assert len(problems) == 1
    assert problems[0].fix.startswith("Write ")
    assert "Value error" not in str(problems[0])


def test_ipv6_is_named(judge: Judge) -> None:
    (problem,) = judge({f"{SERVICES}/api_gateway/host": "::"})
    assert problem.fix == "IPv6 is not supported yet; write an IPv4 address or a DNS name."


@pytest.mark.parametrize(
    "bad",
    [
        {"hosts/edge-1/roles": ["gatway"]},
        {"hosts/edge-1/roles": ["qqq"]},
        {"hosts/edge-1/roles": None},
        {"hosts/edge-1/roles": "gateway"},
        {"hosts/Edge_2": {"roles": ["redis"], "memory": "1GiB"}},
        {"hosts/edge-2": 5},
        {"provider": {"kind": "lcoal"}},
        {"waivers": [{"rule": "C206"}]},
    ],
)
def test_a_bad_host_or_provider_hides_no_error_of_the_rules(
    judge: Judge, bad: dict[str, Any]
) -> None:
    codes = [problem.code for problem in judge(bad | BAD_MODEL)]
    assert {"C102", "C105", "C210", "C330"} < set(codes)


@pytest.mark.parametrize("roles", [["qqq"], None])
def test_what_hangs_on_unknown_roles_is_not_judged(judge: Judge, roles: Any) -> None:
    problems = judge({"hosts/llm-1/roles": roles, "models/small/replicas": 2})
    assert [problem.path[:3] for problem in problems] == [("hosts", "llm-1", "roles")]


def test_a_document_without_hosts_is_judged_where_it_can_be(judge: Judge) -> None:
    problems = judge({"hosts": {}, "models/small/engine": {"trust_remote_code": True}})
    assert [problem.code for problem in problems] == ["C006", "C105"]
    assert problems[0].message == "nothing stands here."
    assert problems[0].fix == "Write at least one host."


def test_a_short_reason_is_refused_in_our_words(judge: Judge) -> None:
    waiver = {"rule": "C210", "path": "hosts.llm-1", "reason": "meh", "until": "2027-01-01"}
    problem = next(item for item in judge({"waivers": [waiver]}) if item.path[-1] == "reason")
    assert (problem.message, problem.fix) == (
        "the text is too short.",
        "Write at least 10 characters.",
    )


@pytest.mark.parametrize("name", ["my env.yaml", "Ünï.yaml", "Lab.yaml", "-x.yaml", "a_b.yaml"])
def test_a_file_whose_name_is_no_name_is_refused(write: Write, name: str) -> None:
    document = {
        "schema": 1,
        "provider": {"kind": "local"},
        "hosts": {"data-1": {"roles": ["redis"], "memory": "1GiB"}},
    }
    with pytest.raises(InvalidEnvironmentError) as raised:
        load(str(write(name, yaml.safe_dump(document))))
    (problem,) = raised.value.diagnostics
    assert (problem.code, problem.place.line) == ("C007", 1)
    assert "such as my-lab.yaml" in problem.fix


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("max_model_len", -5),
        ("max_model_len", "0k"),
        ("max_num_seqs", 0),
        ("tensor_parallel_size", 0),
        ("gpu_memory_utilization", 1.5),
        ("gpu_memory_utilization", 0),
    ],
)
def test_a_number_that_no_engine_works_with_is_refused(
    judge: Judge, argument: str, value: Any
) -> None:
    engine = {"kv_cache_memory_bytes": "1G", argument: value}
    assert [problem.code for problem in judge({"models/small/engine": engine})] == ["C109"]


def test_the_longest_context_that_fits_may_be_asked_for(judge: Judge) -> None:
    engine = {"kv_cache_memory_bytes": "1G", "max_model_len": -1}
    assert judge({"models/small/engine": engine}) == []
