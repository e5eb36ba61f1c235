"""Environment → role `redis`."""

from __future__ import annotations

from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.orchestration.resolvers.sizing import MIB, memory_share
from hxp_enterprise_llm.schemas.roles.redis import RedisRole


def resolve(context: Context, host: str) -> RedisRole:
    """Return the data of the Redis server of a host."""
    cache = context.environment.integration_services.cache
    return RedisRole(
        address=context.host(host).address,
        port=context.environment.port("redis"),
        data=f"{context.environment.infrastructure_services.storage.data_storage_path}/redis",
        password=cache.password,
        max_clients=cache.max_connections,
        maxmemory_mib=max(16, memory_share(context, host) // MIB // 2),
    )
