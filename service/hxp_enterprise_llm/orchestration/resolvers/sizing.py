"""How the daemons of one host share its memory, and how hosts are named in access lists."""

from __future__ import annotations

from ipaddress import ip_address

from hxp_enterprise_llm.orchestration.resolvers.context import Context

MIB = 2**20
_SMALL = frozenset({"exporters", "alertmanager"})


def memory_share(context: Context, host: str) -> int:
    """Return the bytes that one role of a host may use: equal parts, small roles not counted."""
    roles = [role for role in context.environment.hosts[host].roles if role not in _SMALL]
    return context.host(host).memory_bytes // max(1, len(roles))


def network(address: str) -> str:
    """Return an address as a network of one host; a name stays a name."""
    try:
        return f"{address}/{ip_address(address).max_prefixlen}"
    except ValueError:
        return address


def networks(context: Context, role: str) -> tuple[str, ...]:
    """Return the networks of all hosts that carry a role, in the file's order."""
    hosts = context.environment.hosts_with(role)
    return tuple(network(context.host(host).address) for host in hosts)
