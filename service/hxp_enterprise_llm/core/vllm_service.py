"""A vLLM server, as a service: over HTTP, by its own health, models and metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Unpack

from pydantic import Field

from hxp_enterprise_llm.core.ai_model_service import BaseAIModelService, ModelServiceConfig
from hxp_enterprise_llm.core.exceptions import DependencyError
from hxp_enterprise_llm.core.service import ServiceOptions
from hxp_enterprise_llm.utilities.http import HttpTransport, Reply, Transport

# Names of vLLM's own metrics (https://docs.vllm.ai/en/stable/usage/metrics/).
FIGURES: Mapping[str, str] = {
    "vllm:num_requests_running": "requests_running",
    "vllm:num_requests_waiting": "requests_waiting",
    "vllm:kv_cache_usage_perc": "kv_cache_used",
}
_SAMPLE = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{.*\})?\s+(\S+)")


class VllmConfig(ModelServiceConfig):
    """Where a vLLM server is and what it must serve."""

    url: str = Field(
        pattern=r"^https?://[^/@\s]+$", description="`http://address:port` of its OpenAI server."
    )


class VllmService(BaseAIModelService[VllmConfig]):
    """A vLLM server that runs elsewhere, watched over HTTP.

    Args:
        config: Where it is and what it must serve.
        transport: Returns what asks the server.
        options: As `BaseService` takes them.
    """

    def __init__(
        self,
        config: VllmConfig,
        *,
        transport: Callable[[VllmConfig], Transport] = lambda config: HttpTransport(config.url),
        **options: Unpack[ServiceOptions],
    ) -> None:
        super().__init__(config, **options)
        self._connect = transport
        self._transport = transport(config)

    async def on_open(self, resources: AsyncExitStack) -> None:
        """Be ready to ask; connections are made when they are needed."""
        self._transport = self._connect(self.config)
        resources.push_async_callback(self._close)

    async def on_prepare(self, config: VllmConfig) -> Transport:
        """Ask the server of the new configuration before it is relied on."""
        transport = self._connect(config)
        try:
            _refuse_missing(config, await _models(transport, config.check_timeout))
        except BaseException:
            await transport.close()
            raise
        return transport

    def on_commit(self, built: Transport) -> None:
        """Ask the new server from now on."""
        old, self._transport = self._transport, built
        self.background.once("disconnect", old.close)

    async def on_abandon(self, built: Transport) -> None:
        """Close what asked the new server."""
        await built.close()

    async def check_engine(self) -> None:
        """Ask /health: vLLM answers 200 while its engine lives."""
        await _asked(self._transport, "/health", self.config.check_timeout)

    async def served_models(self) -> tuple[str, ...]:
        """Ask /v1/models: base models and adapters."""
        return await _models(self._transport, self.config.check_timeout)

    async def engine_metrics(self) -> Mapping[str, float]:
        """Ask /metrics: requests running and waiting, and the share of the KV cache in use."""
        reply = await _asked(self._transport, "/metrics", self.config.check_timeout)
        return _figures(reply.body.decode("utf-8", "replace"))

    async def _close(self) -> None:
        # The one in use now: a reload may have put another in the first one's place.
        await self._transport.close()


def _refuse_missing(config: VllmConfig, served: tuple[str, ...]) -> None:
    if missing := set(config.models) - set(served):
        raise DependencyError(
            f"{config.url} does not serve {', '.join(sorted(missing))}; it has {', '.join(served)}",
            next_step="Correct `models` or `url`.",
        )


async def _models(transport: Transport, seconds: float) -> tuple[str, ...]:
    reply = await _asked(transport, "/v1/models", seconds)
    try:
        return tuple(str(entry["id"]) for entry in json.loads(reply.body)["data"])
    except (ValueError, KeyError, TypeError) as error:
        raise DependencyError(
            "GET /v1/models: the answer is no list of models",
            next_step="Is it vLLM's OpenAI server that listens there?",
        ) from error


async def _asked(transport: Transport, path: str, seconds: float) -> Reply:
    reply = await transport.get(path, timeout=seconds)
    if reply.status != 200:
        raise DependencyError(
            f"GET {path}: HTTP {reply.status}", next_step="See the log of the engine."
        )
    return reply


def _figures(text: str) -> dict[str, float]:
    """Return our figures of a page of metrics: sums over all labels, such as several engines."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is not None and match[1] in FIGURES:
            name = FIGURES[match[1]]
            found[name] = found.get(name, 0.0) + float(match[2])
    return found
