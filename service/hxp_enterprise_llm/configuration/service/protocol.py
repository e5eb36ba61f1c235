"""HTTP on a connection: deadlines for slow senders and slow readers, and a cap on headers."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hxp_enterprise_llm.schemas.configuration_service import ServiceLimits, ServiceTimeouts


class ServiceProtocol(HttpToolsProtocol):
    """uvicorn's protocol with what it lacks."""

    limits: ServiceLimits
    timeouts: ServiceTimeouts

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn narrows it so
        """Start the clock: who says nothing is cut, too."""
        super().connection_made(transport)
        self._unread: asyncio.TimerHandle | None = None
        self._unsent: asyncio.TimerHandle | None = None
        self._lines = 0
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._sent()
        self._read()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to count headers."""
        super().on_message_begin()
        self._lines = 0
        if self._unsent is None:
            self._await_request()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header before it is kept."""
        self._lines += 1
        if self._lines > self.limits.max_headers:
            raise OverflowError
        super().on_header(name, value)

    def on_message_complete(self) -> None:
        """Stop the clock: the client has done its part."""
        self._sent()
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Start the clock of one who does not read."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.timeouts.send, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop that clock: what waited has been taken."""
        self._read()
        super().resume_writing()

    def _await_request(self) -> None:
        self._unsent = self.loop.call_later(self.timeouts.receive, self.transport.abort)

    def _sent(self) -> None:
        if self._unsent is not None:
            self._unsent.cancel()
            self._unsent = None

    def _read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


def protocol_for(limits: ServiceLimits, timeouts: ServiceTimeouts) -> type[ServiceProtocol]:
    """Return the protocol class with limits in it, as uvicorn wants a class."""
    return type("ConfiguredProtocol", (ServiceProtocol,), {"limits": limits, "timeouts": timeouts})
