"""Small, valid environments and their hosts, for tests of what is derived from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.outputs import FleetOutputs, HostOutput, SshEndpoint

GIB = 2**30
HOSTS: Mapping[str, Any] = {
    "llm-1": {"roles": ["vllm"], "memory": "8GiB"},
    "edge-1": {"roles": ["gateway"], "memory": "1GiB"},
    "data-1": {"roles": ["postgres", "redis", "exporters"], "memory": "2GiB"},
    "metrics-1": {"roles": ["prometheus", "alertmanager"], "memory": "1GiB"},
}
MODELS: Mapping[str, Any] = {
    "tiny": {"source": "pypi:tiny-model==1.0.0", "sha256": "0" * 64},
    "vectors": {"source": "pypi:tiny-vectors==1.0.0", "sha256": "1" * 64, "task": "embed"},
}


def environment(**sections: Any) -> Environment:
    """Return an environment of four local hosts and two models; sections given replace ours."""
    document: dict[str, Any] = {
        "schema": 1,
        "provider": {"kind": "local"},
        "hosts": HOSTS,
        "models": MODELS,
    }
    return Environment.model_validate(document | sections)


def fleet(environment: Environment, name: str = "test") -> FleetOutputs:
    """Return the outputs of a provider that made every host: addresses 10.200.0.11 and up."""
    hosts = {
        host: HostOutput(
            name=host,
            roles=spec.roles,
            address=f"10.200.0.{number}",
            ssh=SshEndpoint(
                host="127.0.0.1",
                port=10000 + number,
                user="citadel",
                host_key="ssh-ed25519 AAAA",
                identity_file="id_ed25519",
            ),
            memory_bytes=spec.memory,
            cpus=spec.cpus or 2.0,
            shared_kernel=True,
            store="mounted",
        )
        for number, (host, spec) in enumerate(environment.hosts.items(), start=11)
    }
    return FleetOutputs(environment=name, provider=environment.provider.kind, hosts=hosts)


def context(name: str = "test", **sections: Any) -> Context:
    """Return what a resolver sees of `environment(**sections)` with all its hosts made."""
    described = environment(**sections)
    return Context(name=name, environment=described, fleet=fleet(described, name))
