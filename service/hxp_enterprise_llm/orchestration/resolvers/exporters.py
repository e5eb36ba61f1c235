"""Environment → role `exporters`."""

from __future__ import annotations

from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.orchestration.resolvers.postgres import resolve as resolve_postgres
from hxp_enterprise_llm.orchestration.resolvers.redis import resolve as resolve_redis
from hxp_enterprise_llm.schemas.roles.exporters import ExportersRole, StoreExporter


def watched(context: Context, store: str, host: str) -> str | None:
    """Return the host whose store the exporters of `host` watch.

    Its own where it carries the role; otherwise the first host with the store and no exporters.
    """
    environment = context.environment
    stores, exporters = environment.hosts_with(store), environment.hosts_with("exporters")
    if host in stores:
        return host
    return next((name for name in stores if name not in exporters), None)


def resolve(context: Context, host: str) -> ExportersRole:
    """Return the data of the exporters of a host."""
    return ExportersRole(
        address=context.host(host).address,
        postgres=_exporter(context, host, "postgres"),
        redis=_exporter(context, host, "redis"),
    )


def _exporter(context: Context, host: str, store: str) -> StoreExporter | None:
    name = watched(context, store, host)
    if name is None:
        return None
    role = (resolve_postgres if store == "postgres" else resolve_redis)(context, name)
    return StoreExporter(
        store_address="127.0.0.1" if name == host else role.address,
        store_port=role.port,
        port=context.environment.port(f"{store}_exporter"),
        user=role.monitor_user,
        password=role.monitor_password,
    )
