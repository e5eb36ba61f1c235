"""Environment → role `postgres`."""

from __future__ import annotations

from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.orchestration.resolvers.sizing import MIB, memory_share, networks
from hxp_enterprise_llm.schemas.roles.postgres import PostgresRole


def resolve(context: Context, host: str) -> PostgresRole:
    """Return the data of the PostgreSQL server of a host.

    A quarter of its memory for shared buffers and three quarters as the planner's idea of the
    cache are PostgreSQL's own starting points (manual, 20.4.1 and 20.7.2).
    """
    database = context.environment.integration_services.database
    share = memory_share(context, host) // MIB
    return PostgresRole(
        address=context.host(host).address,
        port=context.environment.port("postgres"),
        data=f"{context.environment.infrastructure_services.storage.data_storage_path}/postgres",
        database=database.database,
        user=database.user,
        password=database.password,
        clients=tuple(
            dict.fromkeys(networks(context, "gateway") + networks(context, "configuration"))
        ),
        monitors=networks(context, "exporters"),
        max_connections=database.max_connections,
        connection_timeout_s=max(1, round(database.connection_timeout)),
        query_timeout_ms=round(database.query_timeout * 1000),
        shared_buffers_mib=max(16, share // 4),
        effective_cache_mib=max(16, share * 3 // 4),
        maintenance_work_mib=max(16, min(1024, share // 16)),
        work_kib=max(1024, share * 1024 // 4 // database.max_connections),
    )
