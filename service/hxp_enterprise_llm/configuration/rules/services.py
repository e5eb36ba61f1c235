"""Configuration of single services: guarded as it says, and big enough for its model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from hxp_enterprise_llm.configuration.diagnostics import dotted
from hxp_enterprise_llm.configuration.rules.memory import (
    BUFFERS,
    GIB,
    MIB,
    OVERHEAD_ACCELERATOR,
    RUNTIME_GPU,
    SYSTEM,
    gib,
    need_on_cpu,
)
from hxp_enterprise_llm.configuration.rules.ports import ROLE_LISTENERS, port_path
from hxp_enterprise_llm.configuration.rules.registry import Finding, rule
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.services import AIModelServiceConfigSchema, ServiceConfigSchema
from hxp_enterprise_llm.schemas.waivers import Waiver

_EVERYWHERE = "0.0.0.0"  # noqa: S104 # compared with, not bound
_PARAMETERS = re.compile(r"(?<![A-Za-z0-9])(?:(\d+)x)?(\d+(?:\.\d+)?)b(?![A-Za-z0-9])")
# Billions. A mixture shares its attention, so 8x7B is not 56: Jiang et al., "Mixtral of Experts",
# arXiv 2401.04088.
_KNOWN: Mapping[str, float] = {"mixtral-8x22b": 141.0, "mixtral": 46.7}
_BYTES: Mapping[str | None, float] = {None: 2.0, "fp8": 1.0, "awq": 0.6, "gptq": 0.6}


@dataclass(frozen=True, slots=True)
class ServiceSubject:
    """One service's configuration; `environment` when it is known what else runs."""

    config: ServiceConfigSchema
    today: date
    environment: Environment | None = None

    @property
    def waivers(self) -> tuple[Waiver, ...]:
        """Return the document's waivers."""
        return self.config.waivers


def billions_of(config: AIModelServiceConfigSchema) -> float | None:
    """Return the parameters of a service's model in billions; None when nothing tells."""
    if config.model.parameters_billion is not None:
        return config.model.parameters_billion
    name = (config.model.name or config.service_name).lower()
    for known, billions in _KNOWN.items():
        if known in name:
            return billions
    match = _PARAMETERS.search(name)
    return int(match[1] or 1) * float(match[2]) if match else None


@rule(
    "C401",
    "A service of a high security level encrypts what it stores and what it sends.",
    "`high` and `critical` are promises; with one of the switches off nobody keeps them.",
    about=ServiceSubject,
)
def keeps_its_level(subject: ServiceSubject) -> Iterator[Finding]:
    """Find switches that are off at a high level."""
    security = subject.config.security
    if security.security_level not in {"high", "critical"}:
        return
    for key in ("encryption_enabled", "ssl_enabled"):
        if not getattr(security, key):
            yield Finding(
                ("security", key),
                f"level {security.security_level} needs this switch on.",
                "Write true, or a lower security_level.",
            )


@rule(
    "C402",
    "A service with a GPU says how big it is, and one without does not.",
    "Without the size nobody can say whether the model fits; a size without `gpu_enabled` would be "
    "memory that the service never gets.",
    about=ServiceSubject,
)
def gpu_size(subject: ServiceSubject) -> Iterator[Finding]:
    """Find GPUs without a size, and sizes without a GPU."""
    resources = subject.config.resources
    path = ("resources", "gpu_memory_gb")
    if resources.gpu_enabled and resources.gpu_memory_gb is None:
        yield Finding(path, "the size of the GPU is missing.", "Write it, in GiB, such as 24.")
    if not resources.gpu_enabled and resources.gpu_memory_gb is not None:
        yield Finding(path, "the service takes no GPU.", "Remove it, or write `gpu_enabled: true`.")


@rule(
    "C403",
    "The model of a service fits its memory and its GPUs.",
    "On GPUs 1.1 times the weights and 2 GiB for each are needed, shared by tensor_parallel_size, "
    "and 6 GiB of the host's memory; on a CPU 1.1 times the weights and 3 GiB. Weights take two "
    "bytes a parameter, 1 with fp8, 0.6 with awq and gptq. The KV cache comes on top. The older "
    "documents' sample mixtral-service (46.7 billion parameters, 24 GiB) is accepted with this "
    "warning: it shows the keys, and would not start.",
    severity="warning",
    waivable=True,
    about=ServiceSubject,
)
def model_fits(subject: ServiceSubject) -> Iterator[Finding]:
    """Find models that need more than the resources offer."""
    config, resources = subject.config, subject.config.resources
    billions = billions_of(config) if isinstance(config, AIModelServiceConfigSchema) else None
    if billions is None or not isinstance(config, AIModelServiceConfigSchema):
        return
    weights = int(billions * 1e9 * _BYTES[config.model.quantization])
    host = SYSTEM + RUNTIME_GPU if resources.gpu_enabled else SYSTEM + need_on_cpu(weights, 0)
    if host > resources.memory_mb * MIB:
        yield Finding(
            ("resources", "memory_mb"),
            f"the service needs about {gib(host)} of the host's memory, "
            f"it may take {gib(resources.memory_mb * MIB)}.",
            f"Write {-(-host // MIB)} or more, or take a smaller model.",
        )
    gpus = config.model.tensor_parallel_size
    need = weights * BUFFERS / gpus + OVERHEAD_ACCELERATOR
    if resources.gpu_memory_gb is not None and need > resources.gpu_memory_gb * GIB:
        yield Finding(
            ("resources", "gpu_memory_gb"),
            f"a model of {billions:g} billion parameters needs about {gib(need)} of "
            f"{'the GPU' if gpus == 1 else f'each of {gpus} GPUs'}, "
            f"which has {gib(resources.gpu_memory_gb * GIB)}.",
            "Take a quantised or smaller model, a bigger GPU, or raise tensor_parallel_size.",
        )


@rule(
    "C404",
    "The size of a service's model is known.",
    "Without it nobody can say whether the model fits. It is read from `parameters_billion`, or "
    "from a name such as `qwen2.5-7b`.",
    severity="warning",
    waivable=True,
    about=ServiceSubject,
)
def known_size(subject: ServiceSubject) -> Iterator[Finding]:
    """Find models of unknown size."""
    config = subject.config
    if isinstance(config, AIModelServiceConfigSchema) and billions_of(config) is None:
        yield Finding(
            ("model", "parameters_billion"),
            "the size of the model is not known, so nobody checks that it fits.",
            "Write its parameters in billions, such as 7.6.",
        )


@rule(
    "C405",
    "An engine does not listen on every address.",
    "The gateway is the one door: it asks for keys, and an engine does not.",
    severity="warning",
    waivable=True,
    about=ServiceSubject,
)
def engine_in_the_open(subject: ServiceSubject) -> Iterator[Finding]:
    """Find AI model services that are open to everybody."""
    config = subject.config
    if config.service_type == "ai_model" and config.network and config.network.host == _EVERYWHERE:
        yield Finding(
            ("network", "host"),
            "everybody who reaches the host reaches the engine.",
            "Write 127.0.0.1, or the address that the gateway uses.",
        )


@rule(
    "C406",
    "A service's port is not one that the environment uses already.",
    "Port 8000 is the gateway's, and was written for mixtral-service in older documents too. Two "
    "services on one port of one host cannot both start.",
    about=ServiceSubject,
)
def port_of_another(subject: ServiceSubject) -> Iterator[Finding]:
    """Find ports that a listener of the environment has."""
    environment, network = subject.environment, subject.config.network
    if environment is None or network is None:
        return
    for role, listeners in ROLE_LISTENERS.items():
        used = role == "base" or environment.hosts_with(role)
        for listener in listeners if used else ():
            own = subject.config.service_name.endswith(listener.replace("_", "-"))
            if environment.port(listener) == network.port and not own:
                yield Finding(
                    ("network", "port"),
                    f"{dotted(port_path(environment, listener))} has this port.",
                    "Take another port.",
                )


@rule(
    "C407",
    "A service does not wait for itself.",
    "It would never start.",
    about=ServiceSubject,
)
def waits_for_itself(subject: ServiceSubject) -> Iterator[Finding]:
    """Find services among their own dependencies, and dependencies that stand twice."""
    seen: set[str] = set()
    for index, name in enumerate(subject.config.depends_on):
        if name == subject.config.service_name:
            yield Finding(("depends_on", index), "this is the service itself.", "Remove it.")
        elif name in seen:
            yield Finding(("depends_on", index), "the service stands twice.", "Keep it once.")
        seen.add(name)
