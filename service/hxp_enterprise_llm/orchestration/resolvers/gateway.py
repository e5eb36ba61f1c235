"""Environment → role `gateway`: every model with the engines that serve it."""

from __future__ import annotations

from hxp_enterprise_llm.orchestration.artifacts.digests import venv_ref
from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.schemas.gateway import GatewayConfig, Limits, Listen, ServedModel, Timeouts
from hxp_enterprise_llm.schemas.roles.gateway import GatewayRole


def resolve(context: Context, host: str) -> GatewayRole:
    """Return the data of the gateway of a host."""
    environment = context.environment
    models = environment.models.items()
    tasks = {model.served_name or name: model.task for name, model in models if model.enabled}
    services, venv = environment.infrastructure_services.api_gateway, venv_ref("gateway")
    return GatewayRole(
        artifacts=(venv,),
        venv=venv.path,
        workers=services.workers,
        key=services.key,
        config=GatewayConfig(
            listen=Listen(host=services.host, port=services.port),
            metrics=Listen(
                host=context.host(host).address, port=environment.port("gateway_metrics")
            ),
            models={
                name: ServedModel(upstreams=tuple(found), task=tasks[name])
                for name, found in upstreams(context).items()
            },
            limits=Limits(max_connections=services.max_connections),
            timeouts=Timeouts(request=services.timeout),
        ),
    )


def upstreams(context: Context) -> dict[str, list[str]]:
    """Return served name → `address:port` of each engine proxy, in the file's order."""
    found: dict[str, list[str]] = {}
    for engine in context.environment.hosts_with("vllm"):
        for index, (name, model) in enumerate(context.environment.models_on(engine).items()):
            served = model.served_name or name
            found.setdefault(served, []).append(context.endpoint(engine, "engine_proxy", index))
    return found
