"""Whether the models of a host fit its memory. The estimate errs on the safe side, by a little.

One engine on a CPU takes its weights (and a tenth more for buffers), its KV cache and a runtime:
interpreter, torch and vLLM in three processes. Measured with vLLM 0.32 on two cores: SmolLM2-135M
(257 MiB) with 1 GiB of KV cache 3.6 GiB, 4.3 GiB when shared pages are counted in each process;
all-MiniLM-L6-v2 (87 MiB) with 64 MiB beside it 1.9 GiB and 2.7 GiB. So a runtime is 1.8 to 3.0 GiB;
3 GiB are taken, since requests take more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule
from hxp_enterprise_llm.schemas.hosts import Host
from hxp_enterprise_llm.schemas.models import Model

GIB = 2**30
MIB = 2**20
RUNTIME_CPU = 3 * GIB
RUNTIME_GPU = 6 * GIB
OVERHEAD_ACCELERATOR = 2 * GIB
SYSTEM = 256 * MIB  # systemd, SSH, the node exporter and the allow-list proxy
BUFFERS = 1.1
# Resident at rest, measured on hosts of provider local: with less nothing runs.
SYSTEM_FLOOR = 40 * MIB  # systemd, SSH and the node exporter
# A gateway's are of each worker.
FLOORS = {"gateway": 40 * MIB, "configuration": 72 * MIB, "prometheus": 80 * MIB}
FLOOR_OF_OTHERS = 36 * MIB
_PARAMETERS = re.compile(r"(?<![\w.])(?:(\d+)x)?(\d+(?:\.\d+)?)([BbMm])(?![A-Za-z0-9])")
_READABLE = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT]?)")
_FACTORS = {"": 1}
_FACTORS |= {unit: 1000**power for power, unit in enumerate("kmgt", start=1)}
_FACTORS |= {unit: 1024**power for power, unit in enumerate("KMGT", start=1)}
_BYTES = {"awq": 0.6, "gptq": 0.6, "awq_marlin": 0.6, "gptq_marlin": 0.6, "fp8": 1.0}


def weights_of(name: str, model: Model) -> int | None:
    """Return the bytes that weights take, written or told from a name; None when neither says."""
    if model.weights is not None:
        return model.weights
    match = _PARAMETERS.search(model.source) or _PARAMETERS.search(name)
    if match is None:
        return None
    count = int(match[1] or 1) * float(match[2]) * (10**9 if match[3] in "Bb" else 10**6)
    wide = 4.0 if model.engine.get("dtype") in {"float32", "float"} else 2.0
    return int(count * _BYTES.get(str(model.engine.get("quantization")), wide))


def kv_cache_of(model: Model) -> int | None:
    """Return the bytes of the KV cache as the file says it; None when it does not."""
    variable = model.environment.get("VLLM_CPU_KVCACHE_SPACE", "")
    if variable.isdecimal():
        return int(variable) * GIB
    written = model.engine.get("kv_cache_memory_bytes")
    match = _READABLE.fullmatch(str(written)) if not isinstance(written, bool) else None
    return int(float(match[1]) * _FACTORS[match[2]]) if match else None


def need_on_cpu(weights: int, kv_cache: int) -> int:
    """Return the bytes that one engine takes on a CPU host."""
    return int(weights * BUFFERS) + kv_cache + RUNTIME_CPU


def gib(number: float) -> str:
    """Return bytes as people read them: `4.6 GiB`, `4 GiB`."""
    return f"{number / GIB:.1f}".removesuffix(".0") + " GiB"


@rule(
    "C210",
    "The models of a host fit its memory.",
    "On a CPU an engine takes 1.1 times its weights, its KV cache and 3 GiB for vLLM itself; "
    "256 MiB are kept for the system, and what C214 says for its other roles. On accelerators "
    "`gpu_memory_utilization` (0.92 when not written) of each accelerator must hold the engine's "
    "share of the weights and 2 GiB, and all engines together may not take more than there is. A "
    "model that does not fit is killed by the kernel, mostly under load. Waive it where you have "
    "measured less.",
    waivable=True,
)
def fits_host(subject: Subject) -> Iterator[Finding]:
    """Find hosts whose models take more memory than there is."""
    for name in subject.environment.hosts_with("vllm"):
        host = subject.environment.hosts[name]
        models = {
            key: (model, weights)
            for key, model in subject.environment.models_on(name).items()
            if (weights := weights_of(key, model)) is not None
        }
        if not models:
            continue
        beside = beside_engines(subject, name)
        if host.accelerator == "cpu":
            yield from _cpu(name, host, models, beside)
        else:
            yield from _host_of_accelerators(name, host, models, beside)
            yield from _accelerators(host, name, models)


@rule(
    "C214",
    "A host has the memory that its roles take at least.",
    "At rest the system takes 40 MiB, a gateway as much for each of its `workers`, Prometheus 80 "
    "MiB, any other role 36. With less the kernel kills one of them; give several times that. "
    "Engines have a rule of their own, C210.",
)
def fits_roles(subject: Subject) -> Iterator[Finding]:
    """Find hosts whose roles take more memory than there is."""
    for name, host in subject.environment.hosts.items():
        need = SYSTEM_FLOOR + beside_engines(subject, name)
        if host.memory < need:
            yield Finding(
                ("hosts", name, "memory"),
                f"the roles of {name} need {need // MIB} MiB at least.",
                f"Give {name} {math.ceil(need / MIB / 128) * 256}MiB or more.",
            )


def beside_engines(subject: Subject, host: str) -> int:
    """Return the bytes that the roles of a host take at least, engines not counted."""
    workers = subject.environment.infrastructure_services.api_gateway.workers
    roles = set(subject.environment.hosts[host].roles) - {"vllm"}
    return sum(
        FLOORS.get(role, FLOOR_OF_OTHERS) * (workers if role == "gateway" else 1) for role in roles
    )


def _cpu(
    name: str, host: Host, models: dict[str, tuple[Model, int]], beside: int
) -> Iterator[Finding]:
    caches = {key: kv_cache_of(model) or 0 for key, (model, _) in models.items()}
    need = (
        SYSTEM
        + beside
        + sum(need_on_cpu(weights, caches[key]) for key, (_, weights) in models.items())
    )
    if need <= host.memory:
        return
    verb = "needs" if len(models) == 1 else "need"
    fix = f"Give {name} {gib(math.ceil(need / GIB) * GIB)}"
    largest = max(caches, key=lambda key: caches[key])
    spare = (host.memory - need + caches[largest]) // (64 * MIB) * 64
    if spare >= 64:
        fix += f", or set models.{largest}.engine.kv_cache_memory_bytes to {spare}M"
    yield Finding(
        ("hosts", name, "memory"),
        f"{_all(models)} {verb} about {gib(need)} with this KV cache, "
        f"{name} offers {gib(host.memory)}.",
        f"{fix}.",
    )


def _host_of_accelerators(
    name: str, host: Host, models: dict[str, tuple[Model, int]], beside: int
) -> Iterator[Finding]:
    need = SYSTEM + beside + RUNTIME_GPU * len(models)
    if need > host.memory:
        yield Finding(
            ("hosts", name, "memory"),
            f"{_all(models)} need about {gib(need)} of the host's own memory, "
            f"{name} offers {gib(host.memory)}.",
            f"Give {name} {gib(math.ceil(need / GIB) * GIB)}.",
        )


def _accelerators(host: Host, name: str, models: dict[str, tuple[Model, int]]) -> Iterator[Finding]:
    if not host.accelerator_memory or not host.accelerators:
        return
    taken = 0.0
    for key, (model, weights) in models.items():
        split = _number(model.engine.get("tensor_parallel_size"), 1.0)
        split *= _number(model.engine.get("pipeline_parallel_size"), 1.0)
        share = _number(model.engine.get("gpu_memory_utilization"), 0.92)
        taken += share * split
        need = weights * BUFFERS / split + OVERHEAD_ACCELERATOR
        if need > share * host.accelerator_memory:
            yield Finding(
                ("models", key),
                f"the weights need about {gib(need)} of each of {split:.0f} accelerators, "
                f"{name} offers {gib(share * host.accelerator_memory)}.",
                "Raise tensor_parallel_size, take a quantised model, or a bigger accelerator.",
            )
    if taken > host.accelerators:
        yield Finding(
            ("hosts", name, "accelerators"),
            f"{_all(models)} take {taken:.2f} accelerators, {name} has {host.accelerators}.",
            "Lower gpu_memory_utilization of each, or spread the models over more hosts.",
        )


def _number(value: object, default: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    return float(value) if is_number and isinstance(value, int | float) else default


def _all(models: dict[str, tuple[Model, int]]) -> str:
    return " and ".join(models)


@rule(
    "C211",
    "On a CPU the size of the KV cache is written.",
    "Without it vLLM takes nine tenths of the whole machine's memory, not of the host's share, and "
    "does not start, or is killed.",
)
def explicit_kv_cache(subject: Subject) -> Iterator[Finding]:
    """Find models on CPU hosts whose KV cache has no size."""
    seen: set[str] = set()
    for host in subject.environment.hosts_with("vllm"):
        if subject.environment.hosts[host].accelerator != "cpu":
            continue
        for name, model in subject.environment.models_on(host).items():
            written = model.engine.get("kv_cache_memory_bytes") is not None
            if name not in seen and not written and kv_cache_of(model) is None:
                seen.add(name)
                yield Finding(
                    ("models", name, "engine"),
                    "on a CPU the KV cache needs a size, else vLLM takes the whole machine.",
                    "Write `kv_cache_memory_bytes: 1G`.",
                )


@rule(
    "C212",
    "The size of a model's weights is known.",
    "Without it nobody can say whether the model fits. It is read from `weights`, or from a name "
    "such as `Qwen2.5-7B`.",
    severity="warning",
    waivable=True,
)
def known_weights(subject: Subject) -> Iterator[Finding]:
    """Find models whose weights have no known size."""
    for name, model in subject.served():
        if weights_of(name, model) is None:
            yield Finding(
                ("models", name),
                "the size of the weights is not known, so nobody checks that they fit.",
                "Write `weights:` with their size in memory, such as 257MiB.",
            )
