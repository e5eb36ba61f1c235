"""HTTP on a connection: what uvicorn lacks for a public listener."""

from __future__ import annotations

import asyncio

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from hxp_enterprise_llm.gateway.errors import ApiError, bad_request
from hxp_enterprise_llm.gateway.exchange import FULL
from hxp_enterprise_llm.gateway.guests import Guests
from hxp_enterprise_llm.gateway.keys import Key
from hxp_enterprise_llm.schemas.gateway import GatewayConfig

_TOO_MANY = ApiError(431, "The request's headers are too large.", code="headers_too_large")
_TOO_SLOW = ApiError(408, "The request was not sent in time.", code="request_timeout")
_MALFORMED = bad_request("The request is not valid HTTP.", code="invalid_http")


class GatewayProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines for a client to send and to read, caps, and our errors."""

    limits: GatewayConfig
    guests: Guests

    @classmethod
    def adopt(cls, config: GatewayConfig) -> None:
        """Hold all connections to other limits and times from now on."""
        cls.limits, cls.guests.limits = config, config.limits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn narrows it so
        """Start the clock: a client that says nothing is cut, too."""
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_size = self._head_lines = 0
        self._in_head = self._began_behind = False
        self._answering: RequestResponseCycle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._arm()
        self._patrol = self.loop.call_later(self.limits.timeouts.send, self._look_at_unread)
        self.guests.enter(self)

    def cut(self) -> None:
        """End the connection at once, whatever is under way on it."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks, and tell the request that is being answered."""
        self.guests.leave(self)
        self._disarm()
        self._patrol.cancel()
        self._drop_unread()
        # uvicorn tells only the newest request, which may wait behind the one that runs.
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the clock of one who does not read: close() would wait for it for ever."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.limits.timeouts.send, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop that clock: what waited has been taken."""
        self._drop_unread()
        self.transport.set_write_buffer_limits()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parse, with the clock running until the request is complete."""
        if self._deadline is None:
            self._arm()
        self._began_behind = False
        super().data_received(data)
        # Where a head began behind another request, the part before it is not its own.
        if self._in_head and not self._began_behind and not self.transport.is_closing():
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
        admitted = self.guests.admit(self, self.headers)
        # A copy for this request only: uvicorn makes it anew for each.
        self.scope["state"][FULL] = not admitted
        super().on_headers_complete()
        if not admitted:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Stop the clock: the client has done its part."""
        self._disarm()
        self._began_behind = True
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

    def on_response_complete(self) -> None:
        """Go on with the next request; read more only when none is left."""
        super().on_response_complete()
        if self.pipeline and not self.transport.is_closing():
            self.flow.pause_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _drop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _look_at_unread(self) -> None:
        """Hold back further answers while the rest of one waits, which starts its clock."""
        self._patrol = self.loop.call_later(self.limits.timeouts.send, self._look_at_unread)
        if self._unread is None and self.transport.get_write_buffer_size():
            self.transport.set_write_buffer_limits(high=0)

    def _coming(self) -> RequestResponseCycle | None:
        """Return the request whose body is being received."""
        return (
            None if self._in_head or self.cycle is None or not self.cycle.more_body else self.cycle
        )

    def _owes_answers(self) -> bool:
        """Return whether requests before the one that is being received wait for an answer."""
        cycles = [self._answering, *(cycle for cycle, _ in self.pipeline)]
        coming = self._coming()
        return any(
            cycle is not None and cycle is not coming and not cycle.response_complete
            for cycle in cycles
        )

    def _too_slow(self) -> None:
        if self._owes_answers():
            # What comes behind a request that is being answered is judged after it.
            self._arm()
        else:
            self._refuse(_TOO_SLOW)

    def _refuse(self, error: ApiError) -> None:
        if self.transport.is_closing():
            return
        if self._owes_answers():
            # The client would take this for the answer to an older request.
            self.transport.abort()
            return
        coming = self._coming()
        # In the middle of an answer there is no place for another one.
        if coming is None or coming.response_complete or not coming.response_started:
            body = error.body()
            head = (
                b"content-type: application/json\r\nconnection: close\r\n"
                b"content-length: %d\r\n\r\n" % len(body)
            )
            self.transport.write(STATUS_LINE[error.status] + head + body)
        self.transport.close()


def protocol_for(config: GatewayConfig, key: Key) -> type[GatewayProtocol]:
    """Return the protocol class with a gateway's limits in it, as uvicorn wants a class."""
    own = {"limits": config, "guests": Guests(key, config.limits)}
    return type("ConfiguredProtocol", (GatewayProtocol,), own)
