from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic

Judge = Callable[[dict[str, Any]], list[Diagnostic]]
SSH = {"kind": "ssh", "user": "citadel", "identity_file": "~/.ssh/id"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFCluWRcOusz5t5QCovlVmMfedwR3DRPXAnlc3ewOZvZ"


def test_a_host_without_a_role_is_refused(judge: Judge) -> None:
    (problem,) = judge({"hosts/idle-1": {"roles": [], "memory": "1GiB"}})
    assert (problem.code, problem.path) == ("C201", ("hosts", "idle-1", "roles"))
    assert problem.message == "the host has no role."
    assert problem.fix == "Give it one, such as [vllm]."


def test_a_role_that_stands_twice_is_refused(judge: Judge) -> None:
    problem = judge({"hosts/edge-1/roles": ["gateway", "gateway"]})[0]
    assert (problem.code, problem.message) == ("C201", "a role stands twice.")


def test_a_local_host_with_an_address_or_a_key_is_refused(judge: Judge) -> None:
    problems = judge({"hosts/edge-1/address": "10.0.0.1", "hosts/edge-1/host_key": KEY})
    assert [(item.code, item.message) for item in problems] == [
        ("C202", "provider local sets the address itself."),
        ("C202", "provider local sets the host_key itself."),
    ]


def test_an_ssh_host_needs_an_address_and_a_pinned_key(judge: Judge) -> None:
    problems = judge({"provider": SSH, "hosts/edge-1/address": "10.0.0.1"})
    assert [(item.path[1:], item.code, item.message) for item in problems] == [
        (("llm-1", "address"), "C203", "a host of provider ssh needs an address."),
        (("llm-1", "host_key"), "C203", "a host of provider ssh needs its public host key."),
        (("edge-1", "host_key"), "C203", "a host of provider ssh needs its public host key."),
    ]
    assert problems[2].fix == "Write `ssh-ed25519 AAAA…`; run: ssh-keyscan 10.0.0.1"


def test_two_ssh_hosts_with_one_address_are_refused(judge: Judge) -> None:
    both = {"address": "10.0.0.1", "host_key": KEY}
    (problem,) = judge(
        {
            "provider": SSH,
            "hosts/llm-1": {"roles": ["vllm"], "memory": "8GiB", **both},
            "hosts/edge-1": {"roles": ["gateway"], "memory": "1GiB", **both},
        }
    )
    assert problem.message == "llm-1 has this address too."


def test_a_model_without_a_host_to_run_on_is_refused(judge: Judge) -> None:
    (problem, _) = judge({"hosts": {"edge-1": {"roles": ["gateway"], "memory": "1GiB"}}})
    assert (problem.code, problem.path) == ("C206", ("hosts", "edge-1", "roles"))
    problems = judge({"hosts": {"edge-1": {"roles": ["gateway"], "memory": "1GiB"}}})
    (error,) = [item for item in problems if item.severity == "error"]
    assert error.message == "no host has role vllm to serve this model."
    assert error.fix == "Give a host role vllm, or set `enabled: false`."


def test_more_replicas_than_hosts_are_refused(judge: Judge) -> None:
    (problem,) = judge({"models/small/replicas": 2})
    assert (problem.code, problem.path[-1]) == ("C205", "replicas")
    assert problem.message == "2 replicas need as many hosts with role vllm, not 1."


def test_roles_without_their_partner_are_warned_about(judge: Judge) -> None:
    problems = judge(
        {
            "models": None,
            "hosts": {
                "edge-1": {"roles": ["gateway"], "memory": "1GiB"},
                "watch-1": {"roles": ["alertmanager", "exporters"], "memory": "1GiB"},
            },
        }
    )
    assert {(item.code, item.severity) for item in problems} == {("C206", "warning")}
    useless = "is of no use without a host with role"
    assert [item.message for item in problems] == [
        f"role gateway {useless} vllm: every request would be answered 404.",
        f"role alertmanager {useless} prometheus: nothing would send it alerts.",
        "role exporters watches nothing: no host has role postgres or redis.",
    ]


def test_an_accelerator_host_says_how_many_and_how_big(judge: Judge) -> None:
    (problem,) = judge({"hosts/llm-1/accelerator": "cuda", "hosts/llm-1/memory": "16GiB"})
    assert problem.code == "C207"
    assert problem.message == "a cuda host needs `accelerators` and `accelerator_memory`."


def test_a_cpu_host_with_accelerators_is_refused(judge: Judge) -> None:
    (problem,) = judge({"hosts/llm-1/accelerators": 1})
    assert problem.message == "the host has accelerators, but runs on its CPU."


def test_a_second_store_is_refused_until_replication_is_there(judge: Judge) -> None:
    problems = judge(
        {
            "hosts/data-1": {"roles": ["postgres", "redis"], "memory": "1GiB"},
            "hosts/data-2": {"roles": ["redis"], "memory": "1GiB"},
        }
    )
    assert [(item.code, item.path) for item in problems] == [("C208", ("hosts", "data-2", "roles"))]
    assert problems[0].message == (
        "data-1 has role redis already, and replication is not available yet."
    )


def test_an_accelerator_without_a_lock_of_vllm_is_refused(judge: Judge) -> None:
    rocm = {
        "roles": ["vllm"],
        "memory": "64GiB",
        "accelerator": "rocm",
        "accelerators": 1,
        "accelerator_memory": "64GiB",
    }
    (problem,) = judge({"hosts/llm-1": rocm})
    assert (problem.code, problem.path) == ("C209", ("hosts", "llm-1", "accelerator"))
    assert problem.message == (
        "there is no locks/pylock.vllm-rocm.toml, so nobody knows which vLLM to install."
    )
    assert judge({"hosts/llm-1": {**rocm, "accelerator": "cuda"}}) == []


def test_provider_local_takes_no_more_hosts_than_it_has_ports_for(judge: Judge) -> None:
    from providers.local.slots import MAX_HOSTS

    more = {f"hosts/more-{n}": {"roles": ["gateway"], "memory": "1GiB"} for n in range(MAX_HOSTS)}
    (problem,) = judge(more)
    assert (problem.code, problem.path) == ("C215", ("hosts",))
    assert problem.message == f"provider local has room for {MAX_HOSTS} hosts, here are 12."
    fitting = dict(list(more.items())[2:])
    assert judge(fitting) == []
