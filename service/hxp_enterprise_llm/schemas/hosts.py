"""A host: what it does and how big it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from hxp_enterprise_llm.schemas.base import Bytes, WrittenModel
from hxp_enterprise_llm.schemas.effect import Effect
from hxp_enterprise_llm.schemas.text import Address

RoleName = Literal[
    "vllm",
    "gateway",
    "configuration",
    "postgres",
    "redis",
    "prometheus",
    "alertmanager",
    "exporters",
]
MOST_MEMORY = 2**47
"""128 TiB; no single machine has more."""
HOST_NAME = r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$"
HostName = Annotated[str, StringConstraints(pattern=HOST_NAME)]


def _of_a_machine(memory: int) -> int:
    if memory > MOST_MEMORY:
        raise ValueError("write the memory of one machine, at most 128TiB")
    return memory


class Host(WrittenModel):
    """One machine of the environment. Role `base` is on every host and is not written."""

    roles: tuple[RoleName, ...] = Field(description="What runs here; at least one.")
    memory: Annotated[Bytes, AfterValidator(_of_a_machine), Effect.RESTART] = Field(
        gt=0, description="Memory, such as 8GiB; local: the container's limit."
    )
    cpus: Annotated[float | None, Effect.RESTART] = Field(
        default=None, gt=0, description="CPUs; local: not limited when absent."
    )
    accelerator: Annotated[Literal["cpu", "cuda", "rocm"], Effect.RESTART] = Field(
        default="cpu", description="Which build of vLLM runs here."
    )
    accelerator_memory: Annotated[Bytes | None, Effect.RESTART] = Field(
        default=None, description="Memory of one accelerator, such as 80GiB."
    )
    accelerators: Annotated[int, Effect.RESTART] = Field(
        default=0, ge=0, description="How many accelerators the host has."
    )
    address: Address | None = Field(
        default=None, description="Address or name; required by provider ssh, refused by local."
    )
    host_key: str | None = Field(
        default=None, description="Pinned public SSH host key, `type base64` (provider ssh)."
    )
