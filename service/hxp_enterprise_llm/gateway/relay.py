"""Takes a request to an engine and its answer back, byte for byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress

import aiohttp

from hxp_enterprise_llm.gateway import errors
from hxp_enterprise_llm.gateway.exchange import Exchange, Headers
from hxp_enterprise_llm.gateway.metrics import Metrics
from hxp_enterprise_llm.gateway.upstream import Client, Pool, Upstream, reason
from hxp_enterprise_llm.schemas.gateway import Timeouts

# An allow-list: hop-by-hop headers, the caller's key and cookies never get to an engine.
_FORWARDED = frozenset({b"accept", b"user-agent", b"traceparent", b"tracestate"})
_DROPPED = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-connection", "set-cookie"),
        *("te", "trailer", "transfer-encoding", "upgrade", "date", "server", "x-request-id"),
    )
)
# What a proxy in front of an engine, or a dying engine, says: another upstream may do better.
_ANOTHER_TRY = frozenset({502, 503, 504})
# The last: a name that cannot be asked for; nothing of a request can raise it.
_UNREACHABLE = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, UnicodeError)
_MAX_ERROR_BODY = 64 * 1024


class Relay:
    """The way to the engines and back, shared by the requests of a worker.

    Args:
        client: What asks engines.
        timeouts: How long a request may take, and the pauses in its answer.
        metrics: Where failures of engines are counted.
    """

    def __init__(self, client: Client, timeouts: Timeouts, metrics: Metrics) -> None:
        self.client, self.timeouts, self._metrics = client, timeouts, metrics
        self._active: set[Exchange] = set()

    def end_all(self) -> None:
        """End every request in flight: the drain deadline has come."""
        for exchange in tuple(self._active):
            exchange.end("drain")

    async def carry(self, exchange: Exchange, pool: Pool, body: bytes) -> None:
        """Answer a request by one of a model's engines; stops at once when the client leaves.

        Raises:
            ApiError: No engine could answer, or it broke off.
            ClientGoneError: The client left.
        """
        watcher = asyncio.create_task(self._end_when_left(exchange))
        self._active.add(exchange)
        try:
            with self._metrics.in_flight.labels(exchange.model).track_inprogress():
                async with asyncio.timeout(self.timeouts.request) as timeout:
                    exchange.bound(timeout)
                    await self._try(exchange, pool, body, timeout)
        except TimeoutError:
            raise _ending(exchange) from None
        finally:
            self._active.discard(exchange)
            watcher.cancel()

    @staticmethod
    async def _end_when_left(exchange: Exchange) -> None:
        await exchange.left()
        exchange.end("client")

    async def _try(
        self, exchange: Exchange, pool: Pool, body: bytes, bound: asyncio.Timeout
    ) -> None:
        headers, refused = _request_headers(exchange), set[Upstream]()
        for upstream in pool.tries(refused):
            exchange.upstream = upstream.address
            with upstream.busy():
                response = await self._send(upstream, exchange, headers, body)
                if response is None:
                    continue
                # Closed when bytes are left unread: the engine must see that nobody wants them.
                async with response:
                    if response.status in _ANOTHER_TRY:
                        refused.add(upstream)
                        self._count(upstream, f"answered {response.status}")
                        continue
                    await self._pass_on(exchange, upstream, response, bound)
                return
        why = pool.fault or "no answer"
        raise errors.unavailable(f"No engine serves this model now: {why}.", "upstream_unavailable")

    async def _send(
        self, upstream: Upstream, exchange: Exchange, headers: Mapping[str, str], body: bytes
    ) -> aiohttp.ClientResponse | None:
        try:
            return await self.client.send(upstream, exchange.path, headers, body)
        except _UNREACHABLE as error:
            self._count(upstream, reason(error))
            upstream.judge(reason(error))
            return None
        except (aiohttp.ClientError, ConnectionError) as error:
            self._count(upstream, reason(error))
            return None

    async def _pass_on(
        self,
        exchange: Exchange,
        upstream: Upstream,
        response: aiohttp.ClientResponse,
        bound: asyncio.Timeout,
    ) -> None:
        if response.status >= 300:
            raise await _error_of(response)
        loop, idle, last = asyncio.get_running_loop(), self.timeouts.idle, bound.when()
        exchange.streaming = response.content_type == "text/event-stream"
        await exchange.start(response.status, _response_headers(response.raw_headers))
        try:
            while chunk := await response.content.readany():
                await exchange.write(chunk)
                if not exchange.ended_by:
                    bound.reschedule(min(loop.time() + idle, last or loop.time() + idle))
        except (aiohttp.ClientError, ConnectionError) as error:
            self._count(upstream, reason(error))
            raise errors.broken_stream() from None
        if exchange.streaming and not exchange.stream_complete:
            self._count(upstream, "no [DONE]")
            raise errors.broken_stream()
        await exchange.finish()

    def _count(self, upstream: Upstream, why: str) -> None:
        self._metrics.upstream_failures.labels(upstream.model, upstream.address, why).inc()


def _ending(exchange: Exchange) -> Exception:
    if exchange.ended_by == "client":
        return errors.ClientGoneError()
    if exchange.ended_by == "drain":
        return errors.unavailable("The gateway is shutting down.", "shutting_down")
    return errors.timed_out()


def _request_headers(exchange: Exchange) -> dict[str, str]:
    headers = {
        name.decode(): value.decode("latin-1")
        for name, value in exchange.headers
        if name in _FORWARDED
    }
    return headers | {
        "content-type": "application/json",
        "accept-encoding": "identity",
        "x-request-id": exchange.correlation.request_id,
    }


def _response_headers(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    found = [(name.decode("latin-1").lower(), name, value) for name, value in raw]
    named = {
        token.strip().lower()
        for name, _, value in found
        if name == "connection"
        for token in value.decode("latin-1").split(",")
    }
    return [
        (raw_name.lower(), value)
        for name, raw_name, value in found
        if name not in _DROPPED and name not in named
    ]


async def _error_of(response: aiohttp.ClientResponse) -> errors.ApiError:
    """Return an engine's refusal; in OpenAI's shape, whatever shape it had."""
    body = bytearray()
    while len(body) <= _MAX_ERROR_BODY and (chunk := await response.content.readany()):
        body += chunk
    status = response.status if response.status >= 400 else 502
    document: object = None
    with suppress(ValueError, RecursionError):
        document = json.loads(body)
    if isinstance(document, dict) and isinstance(document.get("error"), dict):
        return errors.from_engine(status, document["error"])
    detail = document.get("detail") if isinstance(document, dict) else None
    return errors.ApiError(
        status,
        detail if isinstance(detail, str) else f"The engine answered {response.status}.",
        kind="invalid_request_error" if status < 500 else "server_error",
        code="upstream_refused",
    )
