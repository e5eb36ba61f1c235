"""One request and its answer: the client's side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Container, Iterable, MutableMapping
from contextlib import suppress
from typing import Any

from hxp_enterprise_llm.gateway.errors import ApiError, ClientGoneError, too_large
from hxp_enterprise_llm.utilities.correlation import accept

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = "application/json"
FULL = "full"
"""Key of a request's `state`: there is no room for one more connection with a key."""
_CORRELATING = frozenset({b"traceparent", b"x-request-id"})
_BORDER = b"\n\n"
_DONE = b"data: [DONE]"
_TAIL = 32
_LAST_WORDS = 1.0


class Exchange:
    """The client's side of one request, and what the log and the metrics will say of it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.path: str = scope["path"]
        self.method: str = scope["method"]
        self.headers: Headers = scope["headers"]
        self.client: str = scope["client"][0] if scope.get("client") else ""
        self.turned_away: bool = scope.get("state", {}).get(FULL, False)
        self.correlation = accept(self._given(_CORRELATING))
        self.route, self.model, self.upstream = "other", "", ""
        self.status = 0
        self.error: str | None = None
        self.sent = 0
        self.started = time.monotonic()
        self.first_byte: float | None = None
        self.streaming = False
        self._receive, self._send = receive, send
        self._tail = b""
        self._timeout: asyncio.Timeout | None = None
        self.ended_by = ""

    def header(self, name: bytes) -> bytes | None:
        """Return the first value of a header by its lower-case name."""
        return next((value for key, value in self.headers if key == name), None)

    def _given(self, names: Container[bytes]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in self.headers:
            if name in names:
                found.setdefault(name.decode(), value.decode("latin-1"))
        return found

    async def read(self, limit: int) -> bytes:
        """Return the request's body.

        Raises:
            ApiError: It is larger than `limit` bytes.
            ClientGoneError: The client left before its end.
        """
        declared = self.header(b"content-length")
        if declared is not None and int(declared) > limit:
            raise too_large(limit)
        body = bytearray()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            body += message.get("body", b"")
            if len(body) > limit:
                raise too_large(limit)
            if not message.get("more_body", False):
                return bytes(body)

    async def left(self) -> None:
        """Return when the client has left."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def bound(self, timeout: asyncio.Timeout) -> None:
        """Tie the exchange to a timeout, by which others may end it."""
        self._timeout = timeout

    def end(self, reason: str) -> None:
        """End the exchange now: its timeout fires, whatever it waits for."""
        if self._timeout is not None and not self._timeout.expired() and not self.ended_by:
            self.ended_by = reason
            self._timeout.reschedule(asyncio.get_running_loop().time())

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Send the answer's head."""
        self.status = status
        own = [(b"x-request-id", self.correlation.request_id.encode())]
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*headers, *own]}
        )

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the answer as it is; waits while the client reads slowly."""
        if self.first_byte is None:
            self.first_byte = time.monotonic() - self.started
        self.sent += len(chunk)
        if self.streaming:
            self._tail = (self._tail + chunk)[-_TAIL:]
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def finish(self) -> None:
        """End the answer."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    @property
    def stream_complete(self) -> bool:
        """Return whether the event stream ended with `[DONE]`."""
        return _DONE in self._tail

    async def respond(
        self, status: int, body: bytes, *, kind: str = JSON, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Send a whole answer."""
        fields = [("content-type", kind), ("content-length", str(len(body))), *headers]
        await self.start(status, [(name.encode(), value.encode()) for name, value in fields])
        self.sent += len(body)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def fail(self, error: ApiError) -> None:
        """Tell the client what is wrong: by a status, or by an event where a stream has begun.

        An answer of another kind that has begun is left incomplete, which cuts the connection.
        """
        self.error = error.code or error.kind
        if not self.status:
            await self.respond(error.status, error.body(), headers=error.headers.items())
            return
        self.status = error.status
        if self.streaming:
            border = b"" if not self._tail or self._tail.endswith(_BORDER) else _BORDER
            # One who does not read does not keep the worker from going on.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS):
                    await self.write(border + error.event())
                    await self.finish()
