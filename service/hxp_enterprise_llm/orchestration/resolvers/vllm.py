"""Environment → role `vllm`: engines with all their arguments, and who may reach them."""

from __future__ import annotations

import math

from hxp_enterprise_llm.orchestration.artifacts.digests import model_ref, venv_ref
from hxp_enterprise_llm.orchestration.artifacts.needs import engine_set
from hxp_enterprise_llm.orchestration.resolvers.context import Context
from hxp_enterprise_llm.schemas.models import EngineValue, Model
from hxp_enterprise_llm.schemas.roles.vllm import Accelerator, VllmInstance, VllmRole

# After the drain vLLM's own processes need up to 15 s; as much again for a busy host.
_AFTER_DRAIN_SECONDS = 30
_LOOPBACK = "127.0.0.1"
_RUNNERS = {"generate": "generate", "embed": "pooling"}
_DEVICES: dict[Accelerator, tuple[str, ...]] = {
    "cpu": (),
    "cuda": ("char-nvidia*",),
    "rocm": ("char-kfd", "char-drm"),
}
# Sequences at once, and those that wait for them before vLLM answers 503.
_CPU_SEQUENCES, _CPU_QUEUE = 16, 64
_ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    # Else torch's collectives listen on the host's own address, without any check of callers.
    "GLOO_SOCKET_IFNAME": "lo",
    "NCCL_SOCKET_IFNAME": "lo",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_HOST_IP": _LOOPBACK,
    # The proxy closes idle connections after 30 s, so that it never writes to a closing one.
    "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "75",
    "VLLM_LOGGING_COLOR": "0",
    "VLLM_MAX_N_SEQUENCES": "64",
    "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
    # Fewer arenas: 0.3 GiB less in three processes of many threads.
    "MALLOC_ARENA_MAX": "2",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def resolve(context: Context, host: str) -> VllmRole:
    """Return the data of the engines of a host."""
    environment = context.environment
    accelerator = environment.hosts[host].accelerator
    venv = venv_ref(engine_set(accelerator))
    models = environment.models_on(host)
    refs = {name: model_ref(name, model) for name, model in models.items()}
    return VllmRole(
        artifacts=(venv, *refs.values()),
        accelerator=accelerator,
        devices=_DEVICES[accelerator],
        venv=venv.path,
        cache=f"{environment.infrastructure_services.storage.cache_storage_path}/vllm",
        instances=tuple(
            _instance(context, index, name, model, refs[name].path, accelerator)
            for index, (name, model) in enumerate(models.items())
        ),
        bind=tuple(dict.fromkeys((_LOOPBACK, context.host(host).address))),
        proxy_metrics_port=environment.port("engine_proxy_metrics"),
        callers=_addresses(context, host, "gateway"),
        watchers=_addresses(context, host, "prometheus"),
        request_timeout=math.ceil(environment.infrastructure_services.api_gateway.timeout),
    )


def _addresses(context: Context, host: str, role: str) -> tuple[str, ...]:
    # A process on the host itself reaches the engine on loopback anyway.
    others = context.environment.hosts_with(role)
    return ("127.0.0.0/8", *(context.host(name).address for name in dict.fromkeys((host, *others))))


def _instance(
    context: Context, index: int, name: str, model: Model, path: str, accelerator: Accelerator
) -> VllmInstance:
    port = context.environment.port("engine") + index
    return VllmInstance(
        name=name,
        task=model.task,
        port=port,
        proxy_port=context.environment.port("engine_proxy") + index,
        arguments=arguments(name, model, path, port, accelerator),
        environment=_ENVIRONMENT | model.environment,
        start_timeout=math.ceil(model.start_timeout),
        stop_timeout=math.ceil(model.shutdown_timeout) + _AFTER_DRAIN_SECONDS,
    )


def arguments(
    name: str, model: Model, path: str, port: int, accelerator: Accelerator
) -> dict[str, EngineValue]:
    """Return vLLM's whole argument list for a model, by long names with dashes.

    Args:
        name: Key of the model in the environment.
        model: The model.
        path: Folder of its weights on the host.
        port: Port of the engine on loopback.
        accelerator: Which build of vLLM runs.
    """
    defaults: dict[str, EngineValue] = {
        "disable-access-log-for-endpoints": "/health,/metrics",
        "disable-fastapi-docs": True,
        "enable-request-id-headers": True,
        "fail-on-environ-validation": True,
        "generation-config": "vllm",
    }
    if accelerator == "cpu":
        defaults |= {"max-num-seqs": _CPU_SEQUENCES, "max-num-queued-reqs": _CPU_QUEUE}
    given = {key.replace("_", "-"): value for key, value in model.engine.items()}
    fixed: dict[str, EngineValue] = {
        "model": path,
        "served-model-name": model.served_name or name,
        "host": _LOOPBACK,
        "port": port,
        "runner": _RUNNERS[model.task],
        "load-format": "safetensors",
        "shutdown-timeout": math.ceil(model.shutdown_timeout),
    }
    every = defaults | given | fixed
    return {key: every[key] for key in sorted(every) if every[key] is not None}
