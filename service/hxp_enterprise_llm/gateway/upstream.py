"""Engines behind the gateway: which are well, how busy each is, and one client for all."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Self

import aiohttp

from hxp_enterprise_llm.schemas.gateway import HealthCheck, Task, Timeouts

_TRIES = 2
_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
OnChange = Callable[["Upstream"], None]


class Upstream:
    """One engine, seen through its allow-list proxy.

    Attributes:
        outstanding: Requests of this worker that it has not finished.
        fault: Why it gets no requests; empty when it is well, None before the first look.
    """

    def __init__(self, model: str, address: str, on_change: OnChange) -> None:
        self.model, self.address, self.url = model, address, f"http://{address}"
        self.outstanding = 0
        self.fault: str | None = None
        self._on_change = on_change

    @property
    def up(self) -> bool:
        """Return whether it passed its last health check."""
        return self.fault == ""

    def judge(self, fault: str) -> None:
        """Take in what a health check or a failed connection says; empty means well."""
        if fault != self.fault:
            self.fault = fault
            self._on_change(self)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count one request as outstanding."""
        self.outstanding += 1
        try:
            yield
        finally:
            self.outstanding -= 1


class Pool:
    """The upstreams of one model, and what they do where that is known."""

    def __init__(self, upstreams: Iterable[Upstream], task: Task | None = None) -> None:
        self.upstreams, self.task = tuple(upstreams), task

    @property
    def fault(self) -> str:
        """Return why the model cannot be used now; empty when an upstream is up."""
        if any(upstream.up for upstream in self.upstreams):
            return ""
        faults = {upstream.fault or "not looked at yet" for upstream in self.upstreams}
        return ", ".join(sorted(faults))

    def tries(self, refused: Container[Upstream]) -> Iterator[Upstream]:
        """Yield upstreams to try, the least busy first, none that is down or has refused.

        A single one comes twice: an engine may close an idle connection under our feet.

        Args:
            refused: Read before each try; the caller adds those that answered and could not.
        """
        tried: list[Upstream] = []
        while len(tried) < _TRIES:
            usable = [one for one in self.upstreams if not one.fault and one not in refused]
            if not usable:
                return
            # One that was tried already comes last, however idle it is.
            best = min(usable, key=lambda one: (one in tried, one.outstanding))
            tried.append(best)
            yield best


class Client:
    """One aiohttp session a worker, with the defaults that suit a browser put right.

    Args:
        timeouts: Only `connect` and `upstream_keep_alive` apply here; the rest is per request.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, ttl_dns_cache=30, keepalive_timeout=timeouts.upstream_keep_alive
            ),
            timeout=aiohttp.ClientTimeout(total=None, connect=timeouts.connect),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_AUTOMATIC,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(
        self, upstream: Upstream, path: str, headers: Mapping[str, str], body: bytes
    ) -> aiohttp.ClientResponse:
        """Send a request and return the response once its head is there.

        Raises:
            aiohttp.ClientError: No connection, or it broke before the response's head.
        """
        return await self._session.post(
            upstream.url + path, data=body, headers=headers, allow_redirects=False
        )

    async def look(self, upstream: Upstream, check: HealthCheck) -> str:
        """Return why an upstream is not well; empty when it is."""
        timeout = aiohttp.ClientTimeout(total=check.timeout)
        try:
            async with self._session.get(
                upstream.url + check.path, timeout=timeout, allow_redirects=False
            ) as response:
                good = response.status == 200
                return "" if good else f"health check answered {response.status}"
        except TimeoutError:
            return "health check timed out"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return reason(error)


def reason(error: Exception) -> str:
    """Return a failed connection in words from a closed set, for logs, metrics and readiness."""
    if isinstance(error, TimeoutError):
        return "connection timed out"
    if isinstance(error, ValueError):
        return "no valid address"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connection refused" if _refused(error) else "cannot connect"
    return "connection broke"


def _refused(error: aiohttp.ClientConnectorError) -> bool:
    return isinstance(error.os_error, ConnectionRefusedError)
