"""Data of role `vllm`: engines on loopback, and the allow-list proxy before them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hxp_enterprise_llm.schemas.artifacts import ArtifactRef
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.models import EngineValue
from hxp_enterprise_llm.schemas.roles.role import RoleData
from hxp_enterprise_llm.schemas.text import AbsolutePath, VariableName, VariableValue

Accelerator = Literal["cpu", "cuda", "rocm"]


class VllmInstance(CitadelModel):
    """One engine: one model in one process group under its own unit."""

    name: str = Field(description="Key of the model; the unit is citadel-vllm@NAME.service.")
    task: Literal["generate", "embed"] = Field(description="Which calls the proxy lets through.")
    port: int = Field(description="Port of the engine on loopback.")
    proxy_port: int = Field(description="Port of the proxy, which other hosts reach.")
    arguments: dict[str, EngineValue] = Field(
        description="All of vLLM's arguments by their long name with dashes: its config file."
    )
    environment: dict[VariableName, VariableValue] = Field(
        description="Variables of the engine; no secret."
    )
    start_timeout: int = Field(description="Seconds until /health must answer.")
    stop_timeout: int = Field(
        description="Seconds from SIGTERM to SIGKILL: the drain and 30 s more."
    )


class VllmRole(RoleData):
    """vLLM from the artifact store, and HAProxy 2.6 of Debian."""

    packages: tuple[str, ...] = ("haproxy", "libnuma1")
    artifacts: tuple[ArtifactRef, ...] = Field(
        description="vLLM's virtual environment, and the models."
    )
    accelerator: Accelerator = Field(default="cpu", description="Which build of vLLM runs.")
    devices: tuple[str, ...] = Field(
        default=(), description="Device nodes of the accelerators, as systemd's DeviceAllow."
    )
    venv: AbsolutePath = Field(description="Folder of vLLM's virtual environment.")
    cache: AbsolutePath = Field(
        description="Folder of what vLLM compiles; mode 0700, it is executed."
    )
    instances: tuple[VllmInstance, ...] = Field(default=(), description="The engines.")
    bind: tuple[str, ...] = Field(description="Addresses that the proxy listens on.")
    proxy_metrics_port: int = Field(description="Port of the proxy's own metrics.")
    callers: tuple[str, ...] = Field(description="Addresses that may call /v1: the gateways.")
    watchers: tuple[str, ...] = Field(description="Addresses that may read /metrics.")
    request_timeout: int = Field(description="Seconds that an answer may pause.")
