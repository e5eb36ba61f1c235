"""Hosts: each has roles, an address where its provider wants one, and what its roles need."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule
from hxp_enterprise_llm.schemas.text import HOST_KEY


@rule(
    "C201",
    "Every host has a role, and each role once.",
    "A host without a role would be made, paid for and never used.",
)
def has_role(subject: Subject) -> Iterator[Finding]:
    """Find hosts without a role, and roles that stand twice."""
    for name, host in subject.environment.hosts.items():
        path = ("hosts", name, "roles")
        if not host.roles:
            yield Finding(path, "the host has no role.", "Give it one, such as [vllm].")
        elif len(set(host.roles)) < len(host.roles):
            yield Finding(path, "a role stands twice.", "Keep each role once.")


@rule(
    "C202",
    "A local host has no address.",
    "Provider local gives its containers their addresses; two clones do not collide that way.",
)
def local_address(subject: Subject) -> Iterator[Finding]:
    """Find addresses and host keys of local hosts."""
    if subject.environment.provider.kind != "local":
        return
    for name, host in subject.environment.hosts.items():
        for key in ("address", "host_key"):
            if getattr(host, key) is not None:
                yield Finding(
                    ("hosts", name, key), f"provider local sets the {key} itself.", "Remove it."
                )


MOST_LOCAL = 10


@rule(
    "C215",
    "Provider local makes ten hosts at most.",
    "Each environment has 40 ports of this machine, four for a host (stacks/providers/local). "
    "A host can carry several roles.",
)
def too_many_local(subject: Subject) -> Iterator[Finding]:
    """Find local environments with more hosts than there is room for."""
    number = len(subject.environment.hosts)
    if subject.environment.provider.kind == "local" and number > MOST_LOCAL:
        yield Finding(
            ("hosts",),
            f"provider local has room for {MOST_LOCAL} hosts, here are {number}.",
            "Give hosts several roles, or use provider ssh.",
        )


@rule(
    "C203",
    "A host of provider ssh has an address of its own, and its host key pinned.",
    "Provider ssh takes hosts that exist: it must know where they are, and that it talks to "
    "them and nobody else. `ssh-keyscan ADDRESS` prints a host's keys; compare with its console.",
)
def ssh_address(subject: Subject) -> Iterator[Finding]:
    """Find ssh hosts without an address or a key, and two hosts with one address."""
    if subject.environment.provider.kind != "ssh":
        return
    seen: dict[str, str] = {}
    for name, host in subject.environment.hosts.items():
        path = ("hosts", name, "address")
        if host.address is None:
            yield Finding(path, "a host of provider ssh needs an address.", "Write its address.")
        elif host.address in seen:
            yield Finding(
                path, f"{seen[host.address]} has this address too.", "Give each host its own."
            )
        else:
            seen[host.address] = name
        if host.host_key is None or not re.fullmatch(HOST_KEY, host.host_key):
            yield Finding(
                ("hosts", name, "host_key"),
                "a host of provider ssh needs its public host key.",
                f"Write `ssh-ed25519 AAAA…`; run: ssh-keyscan {host.address or 'ADDRESS'}",
            )


@rule(
    "C204",
    "A model has a host with role vllm to run on.",
    "Without such a host the model would be fetched and never served.",
)
def model_without_engine(subject: Subject) -> Iterator[Finding]:
    """Find enabled models that no host can serve."""
    if subject.environment.hosts_with("vllm"):
        return
    for name, _ in subject.served():
        yield Finding(
            ("models", name),
            "no host has role vllm to serve this model.",
            "Give a host role vllm, or set `enabled: false`.",
        )


@rule(
    "C205",
    "A model has no more replicas than there are hosts with role vllm.",
    "A model runs once on a host; more replicas than hosts cannot be placed.",
)
def too_many_replicas(subject: Subject) -> Iterator[Finding]:
    """Find models with more replicas than hosts."""
    engines = len(subject.environment.hosts_with("vllm"))
    for name, model in subject.served():
        if engines and model.replicas > engines:
            yield Finding(
                ("models", name, "replicas"),
                f"{model.replicas} replicas need as many hosts with role vllm, not {engines}.",
                f"Write {engines} or less, or add hosts.",
            )


_NEEDS = (
    ("gateway", "vllm", "every request would be answered 404"),
    ("vllm", "gateway", "nobody could reach the models"),
    ("alertmanager", "prometheus", "nothing would send it alerts"),
)


@rule(
    "C206",
    "The roles that a role works with are there.",
    "A gateway without an engine, an engine without a gateway, an Alertmanager without a "
    "Prometheus and exporters without a store run, but are of no use to anybody.",
    severity="warning",
    waivable=True,
)
def lonely_role(subject: Subject) -> Iterator[Finding]:
    """Find roles whose partner is missing."""
    environment = subject.environment
    for role, needed, effect in _NEEDS:
        for name in environment.hosts_with(role):
            if not environment.hosts_with(needed):
                yield Finding(
                    ("hosts", name, "roles"),
                    f"role {role} is of no use without a host with role {needed}: {effect}.",
                    f"Give a host role {needed}.",
                )
    for name in environment.hosts_with("exporters"):
        if not (environment.hosts_with("postgres") or environment.hosts_with("redis")):
            yield Finding(
                ("hosts", name, "roles"),
                "role exporters watches nothing: no host has role postgres or redis.",
                "Remove the role, or give a host role postgres or redis.",
            )


@rule(
    "C207",
    "A host with an accelerator says how many, and how big.",
    "Without these numbers nobody can say whether a model fits.",
)
def accelerator_size(subject: Subject) -> Iterator[Finding]:
    """Find accelerator hosts without numbers, and CPU hosts with them."""
    for name, host in subject.environment.hosts.items():
        path = ("hosts", name, "accelerator")
        if host.accelerator == "cpu":
            if host.accelerators or host.accelerator_memory:
                yield Finding(
                    path, "the host has accelerators, but runs on its CPU.", "Write cuda or rocm."
                )
        elif not host.accelerators or not host.accelerator_memory:
            yield Finding(
                path,
                f"a {host.accelerator} host needs `accelerators` and `accelerator_memory`.",
                "Write both, such as `accelerators: 1` and `accelerator_memory: 80GiB`.",
            )


@rule(
    "C208",
    "There is one host with role postgres and one with role redis at most.",
    "Replication of the stores is not built yet; a second one would hold other data.",
)
def several_stores(subject: Subject) -> Iterator[Finding]:
    """Find second hosts of roles that cannot be doubled yet."""
    for role in ("postgres", "redis"):
        for name in subject.environment.hosts_with(role)[1:]:
            first = subject.environment.hosts_with(role)[0]
            yield Finding(
                ("hosts", name, "roles"),
                f"{first} has role {role} already, and replication is not available yet.",
                f"Remove {role} here.",
            )


@rule(
    "C209",
    "There is a lock of vLLM for the accelerator of every engine host.",
    "Hosts install vLLM from a lock in `locks/` and nothing else. PyPI carries builds for CPUs and "
    "CUDA; for ROCm a site makes its own lock: locks/README.md says how.",
)
def locked_engine(subject: Subject) -> Iterator[Finding]:
    """Find engine hosts whose build of vLLM is not locked."""
    for name in subject.environment.hosts_with("vllm"):
        kind = subject.environment.hosts[name].accelerator
        lock = f"locks/pylock.vllm-{kind}.toml"
        if subject.lock_versions and lock not in subject.lock_versions:
            yield Finding(
                ("hosts", name, "accelerator"),
                f"there is no {lock}, so nobody knows which vLLM to install.",
                "Make the lock (locks/README.md), or take another accelerator.",
            )
