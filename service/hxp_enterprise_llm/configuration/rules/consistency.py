"""Keys that must not contradict each other: pools and servers, a step's time and the whole's."""

from __future__ import annotations

from collections.abc import Iterator

from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule


@rule(
    "C322",
    "A client's pool is not larger than the number of connections that its server allows.",
    "The pool could never be filled: the connections above the server's limit are refused.",
)
def pool_beyond_server(subject: Subject) -> Iterator[Finding]:
    """Find pools that are larger than their server's limit."""
    stores = subject.environment.integration_services
    for name in ("database", "vector_database", "cache"):
        store = getattr(stores, name)
        if store.connection_pool_size > store.max_connections:
            yield Finding(
                ("integration_services", name, "connection_pool_size"),
                f"the pool has {store.connection_pool_size} connections, "
                f"its server allows {store.max_connections}.",
                f"Write {store.max_connections} or less, or raise max_connections.",
            )


@rule(
    "C335",
    "A step of a request ends before the request must.",
    "The gateway gives a request up after `timeout`. A connection, a query or a call that may take "
    "longer works on for nobody.",
    severity="warning",
    waivable=True,
)
def step_beyond_request(subject: Subject) -> Iterator[Finding]:
    """Find times of steps that are longer than the whole."""
    environment = subject.environment
    stores = environment.integration_services
    whole = environment.infrastructure_services.api_gateway.timeout
    for path, seconds in (
        (
            ("integration_services", "database", "connection_timeout"),
            stores.database.connection_timeout,
        ),
        (("integration_services", "database", "query_timeout"), stores.database.query_timeout),
        (("integration_services", "vector_database", "timeout"), stores.vector_database.timeout),
        (("integration_services", "cache", "timeout"), stores.cache.timeout),
        (
            ("performance_targets", "api_gateway", "connection_timeout"),
            environment.performance_targets.api_gateway.connection_timeout,
        ),
    ):
        if seconds > whole:
            yield Finding(
                path,
                f"this takes up to {seconds:g} s, and a request "
                f"{whole:g} s (infrastructure_services.api_gateway.timeout).",
                f"Write {whole:g}s or less.",
            )
