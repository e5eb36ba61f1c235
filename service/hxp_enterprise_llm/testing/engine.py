"""A double of vLLM's OpenAI server, over real TCP; `engine_contract` keeps it honest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

_PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
_WORDS = ("A", " load", " balancer", " spreads", " requests.")


def stream_pieces(words: Sequence[str] = _WORDS) -> list[bytes]:
    """Return the events of a chat stream as vLLM sends them, the last one being `[DONE]`."""
    chunks = [
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "tiny",
            "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}],
        }
        for word in words
    ]
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks] + [
        b"data: [DONE]\n\n"
    ]


@dataclass(frozen=True)
class Received:
    """One request as the engine got it."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Script:
    """What the engine does with the next requests.

    Attributes:
        pieces: Bytes of a streamed answer, each written by itself.
        hold: Stays closed: a plain answer waits before its first byte, a stream after it.
        breaks: Cut the connection after the pieces instead of ending the stream.
        answer: Status, content type and body of every answer, whatever was asked.
        healthy: What /health says.
    """

    pieces: list[bytes] = field(default_factory=stream_pieces)
    hold: asyncio.Event | None = None
    breaks: bool = False
    answer: tuple[int, str, bytes] | None = None
    healthy: bool = True


class EngineDouble:
    """A process-border double: chat, completions, embeddings, models, health, metrics.

    Attributes:
        script: What it does; tests change it.
        received: All requests to the model.
        left: Set when a client closed its connection before the answer's end.
    """

    def __init__(self, model: str = "tiny") -> None:
        self.model, self.script = model, Script()
        self.received: list[Received] = []
        self.left = asyncio.Event()
        self.running = self.tokens = 0
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._transports: set[asyncio.Transport] = set()

    @property
    def address(self) -> str:
        """Return `address:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """Return how many connections are open that a request came on."""
        return sum(not transport.is_closing() for transport in self._transports)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.kill()

    async def start(self) -> None:
        """Listen; on the same port as before, after a kill."""
        app = web.Application(client_max_size=2**30)
        app.add_routes([web.post(path, self._generate) for path in _PATHS])
        app.add_routes(
            [
                web.get("/health", self._health),
                web.get("/v1/models", self._models),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def kill(self) -> None:
        """Go away as a killed process does: no listener, all connections reset."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        for site in list(runner.sites):
            await site.stop()
        for transport in tuple(self._transports):
            transport.abort()
        await runner.cleanup()

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        self._remember(request)
        self.running += 1
        try:
            return await self._answer(request)
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise
        finally:
            self.running -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        script, body = self.script, await request.read()
        self.received.append(Received(request.path, dict(request.headers), body))
        if script.answer is not None:
            status, kind, content = script.answer
            return web.Response(status=status, body=content, headers={"Content-Type": kind})
        try:
            asked: dict[str, Any] = json.loads(body)
        except ValueError:
            return _error(400, "Bad Request", "the body is not JSON")
        if asked.get("model") != self.model:
            return _error(404, "NotFoundError", "The model does not exist.")
        if asked.get("stream"):
            return await self._stream(request, script)
        if script.hold is not None:
            await script.hold.wait()
        return web.json_response(_plain(request.path, self.model))

    async def _stream(self, request: web.Request, script: Script) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        for index, piece in enumerate(script.pieces):
            await response.write(piece)
            self.tokens += 1
            if index == 0 and script.hold is not None:
                await script.hold.wait()
        if script.breaks and request.transport is not None:
            request.transport.abort()
        else:
            await response.write_eof()
        return response

    def _remember(self, request: web.Request) -> None:
        if request.transport is not None:
            self._transports.add(request.transport)

    async def _health(self, request: web.Request) -> web.Response:
        self._remember(request)
        return web.Response(status=200 if self.script.healthy else 503)

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": self.model}]})

    async def _metrics(self, _: web.Request) -> web.Response:
        lines = (
            f"vllm:num_requests_running{{}} {float(self.running)}\n",
            f"vllm:generation_tokens_total{{}} {float(self.tokens)}\n",
        )
        return web.Response(text="".join(lines))


def _error(status: int, kind: str, message: str) -> web.Response:
    error = {"message": message, "type": kind, "param": None, "code": status}
    return web.json_response({"error": error}, status=status)


def _plain(path: str, model: str) -> dict[str, Any]:
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    head = {"id": "1", "created": 1, "model": model, "usage": usage}
    text = "".join(_WORDS)
    if path.endswith("/embeddings"):
        data = [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]
        return head | {"object": "list", "data": data}
    if path.endswith("/chat/completions"):
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return head | {"object": "chat.completion", "choices": [choice]}
    return head | {"object": "text_completion", "choices": [{"index": 0, "text": text}]}
