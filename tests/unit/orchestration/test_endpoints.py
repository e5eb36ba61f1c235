"""Where users reach what an environment serves."""

from __future__ import annotations

import pytest

from hxp_enterprise_llm.configuration.rules.ports import ROLE_LISTENERS
from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.endpoints import SERVED, endpoints, gateway, urls
from hxp_enterprise_llm.testing import factories


def test_published_ports_win_over_addresses() -> None:
    environment = factories.environment()
    fleet = factories.fleet(environment)
    (there,) = endpoints(environment, fleet, "prometheus", "prometheus")
    assert there.url == "http://10.200.0.14:9090"
    fleet.hosts["metrics-1"].published["prometheus"] = 20001
    (here,) = endpoints(environment, fleet, "prometheus", "prometheus")
    assert here.url == "http://127.0.0.1:20001"


def test_each_served_role_with_a_host_has_one_url_that_programs_start_from() -> None:
    hosts = {**factories.HOSTS, "edge-2": factories.HOSTS["edge-1"]}
    hosts["metrics-1"] = {"roles": ["prometheus"], "memory": "1GiB"}
    environment = factories.environment(hosts=hosts)
    assert urls(environment, factories.fleet(environment)) == {
        "gateway": "http://10.200.0.12:8000/v1",
        "prometheus": "http://10.200.0.14:9090",
    }


def test_an_environment_without_a_gateway_says_how_to_get_one() -> None:
    environment = factories.environment(hosts={"data-1": factories.HOSTS["data-1"]}, models={})
    with pytest.raises(CitadelError, match="has no gateway") as caught:
        gateway(environment, factories.fleet(environment))
    assert "Give a host the role gateway" in caught.value.next_step


def test_every_served_listener_is_one_that_its_role_opens() -> None:
    assert all(served.listener in ROLE_LISTENERS[served.role] for served in SERVED)
