from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic
from hxp_enterprise_llm.configuration.rules.ports import ROLE_LISTENERS, ranges
from hxp_enterprise_llm.schemas.listeners import Listeners
from hxp_enterprise_llm.testing.factories import environment

Judge = Callable[[dict[str, Any]], list[Diagnostic]]
SECOND = {
    "source": "pypi:other==1",
    "sha256": "cd" * 32,
    "weights": "64MiB",
    "engine": {"kv_cache_memory_bytes": "64M"},
}


def test_two_services_on_one_port_of_one_host_are_refused(judge: Judge) -> None:
    (problem,) = judge({"infrastructure_services/api_gateway/port": 9100})
    assert problem.code == "C301"
    assert problem.path == ("infrastructure_services", "api_gateway", "port")
    assert problem.message == "on edge-1 gateway (9100) meets node_exporter (9100)."
    assert problem.fix == (
        "Give gateway another port, such as infrastructure_services.api_gateway.port: 9105"
    )


def test_the_same_port_on_two_hosts_is_fine(judge: Judge) -> None:
    assert judge({"listeners/engine/port": 8000}) == []


def test_engines_and_proxies_count_up_from_their_ports(judge: Judge) -> None:
    (problem,) = judge({"models/other": SECOND, "listeners/engine_proxy/port": 8102})
    assert problem.path == ("listeners", "engine_proxy", "port")
    assert problem.message == "on llm-1 engine_proxy (8102–8103) meets engine (8101–8102)."
    assert (
        problem.fix == "Give engine_proxy another port, such as listeners.engine_proxy.port: 8104"
    )
    assert judge({"listeners/engine_proxy/port": 8102}) == []


def test_metrics_of_gateway_workers_count_up_too(judge: Judge) -> None:
    changes = {
        "infrastructure_services/api_gateway": {"workers": 4, "port": 9104},
    }
    (problem,) = judge(changes)
    assert problem.message == "on edge-1 gateway_metrics (9101–9104) meets gateway (9104)."


def test_the_listener_whose_port_is_written_is_the_one_to_move(judge: Judge) -> None:
    (problem,) = judge({"listeners/node_exporter/port": 8000})
    assert problem.path == ("listeners", "node_exporter", "port")
    assert problem.place.line > 1
    assert problem.fix == (
        "Give node_exporter another port, such as listeners.node_exporter.port: 8001"
    )


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({}, ("hosts", "llm-1", "roles")),
        ({"listeners/engine_proxy/tls": {"enabled": False}}, ("listeners", "engine_proxy")),
    ],
)
def test_where_no_port_is_written_the_nearest_written_key_is_named(
    judge: Judge, more: dict[str, Any], path: tuple[str, ...]
) -> None:
    models = {f"models/m{number}": SECOND for number in range(100)}
    found = [item for item in judge(models | more) if item.code == "C301"]
    (problem,) = [item for item in found if "engine_proxy (" in item.message.split(" meets ")[0]]
    assert problem.path == path
    assert problem.place.line > 1
    assert "such as listeners.engine_proxy.port: " in problem.fix


def test_port_22_is_taken_by_ssh(judge: Judge) -> None:
    (problem,) = judge({"infrastructure_services/api_gateway/port": 22})
    assert problem.message == "on edge-1 gateway (22) meets ssh (22)."


def test_a_clash_on_several_hosts_is_reported_once(judge: Judge) -> None:
    more = {"roles": ["gateway"], "memory": "1GiB"}
    assert len(judge({"hosts/edge-2": more, "infrastructure_services/api_gateway/port": 9100})) == 1


def test_ranges_stay_below_65536(judge: Judge) -> None:
    (problem,) = judge(
        {"infrastructure_services/api_gateway/workers": 4, "listeners/gateway_metrics/port": 65533}
    )
    assert problem.code == "C302"
    assert problem.message == "on edge-1 gateway_metrics (65533–65536) ends above 65535."
    assert problem.fix == "Write listeners.gateway_metrics.port: 65532 or less."


def test_every_listener_of_the_model_belongs_to_a_role() -> None:
    known = {listener for listeners in ROLE_LISTENERS.values() for listener in listeners}
    assert known == set(Listeners.model_fields)


def test_each_listener_is_counted_as_often_as_the_roles_use_it() -> None:
    described = environment()
    counted = {item.listener: item.count for item in ranges(described, "llm-1")}
    assert counted == {
        "node_exporter": 1,
        "engine": 2,
        "engine_proxy": 2,
        "engine_proxy_metrics": 1,
    }
