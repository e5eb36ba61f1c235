"""HTTP on a connection: what uvicorn lacks for a public listener."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from hxp_enterprise_llm.gateway.errors import ApiError, bad_request
from hxp_enterprise_llm.schemas.gateway import GatewayConfig

_TOO_MANY = ApiError(431, "The request's headers are too large.", code="headers_too_large")
_TOO_SLOW = ApiError(408, "The request was not sent in time.", code="request_timeout")
_MALFORMED = bad_request("The request is not valid HTTP.", code="invalid_http")


class GatewayProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline to send a request, caps on headers, and our errors."""

    limits: GatewayConfig

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn narrows it so
        """Start the clock: a client that says nothing is cut, too."""
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_size = self._head_lines = 0
        self._in_head = False
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, with the clock running until the request is complete."""
        if self._deadline is None:
            self._arm()
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_size += len(data)
            if self._head_size > self.limits.limits.max_header_bytes:
                self._refuse(_TOO_MANY)

    def on_message_begin(self) -> None:
        """Begin to count the head."""
        super().on_message_begin()
        self._head_size = self._head_lines = 0
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header before it is kept."""
        self._head_lines += 1
        self._head_size += len(name) + len(value)
        if (
            self._head_lines > self.limits.limits.max_headers
            or self._head_size > self.limits.limits.max_header_bytes
        ):
            raise OverflowError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Go on with the body."""
        self._in_head = False
        self._head_size = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the clock: the client has done its part."""
        self._disarm()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - httptools' words are not shown
        """Refuse what the parser, or a cap, refused."""
        too_many = (
            self._head_lines > self.limits.limits.max_headers
            or self._head_size > self.limits.limits.max_header_bytes
        )
        self._refuse(_TOO_MANY if too_many else _MALFORMED)

    def _arm(self) -> None:
        self._deadline = self.loop.call_later(self.limits.timeouts.receive, self._too_slow)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        waiting = self.cycle is not None and not self.cycle.response_complete
        if waiting and not self.cycle.more_body:
            # Stray bytes behind a request that is being answered; they are judged after it.
            self._arm()
        else:
            self._refuse(_TOO_SLOW)

    def _refuse(self, error: ApiError) -> None:
        if self.transport.is_closing():
            return
        # In the middle of an answer there is no place for another one.
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = error.body()
            head = (
                b"content-type: application/json\r\nconnection: close\r\n"
                b"content-length: %d\r\n\r\n" % len(body)
            )
            self.transport.write(STATUS_LINE[error.status] + head + body)
        self.transport.close()


def protocol_for(config: GatewayConfig) -> type[GatewayProtocol]:
    """Return the protocol class with a gateway's limits in it, as uvicorn wants a class."""
    return type("ConfiguredProtocol", (GatewayProtocol,), {"limits": config})
