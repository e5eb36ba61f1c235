"""The one maker of HTTP clients for services that ask others; aiohttp is imported at first use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from hxp_enterprise_llm.core.exceptions import DependencyError

if TYPE_CHECKING:
    from aiohttp import ClientSession

_MOST = 16 * 2**20
"""Bytes of an answer: nothing that services ask each other is longer."""


@dataclass(frozen=True)
class Reply:
    """An HTTP answer.

    Attributes:
        status: Its status code.
        body: Its whole body.
        headers: Its headers, names in small letters.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Transport(Protocol):
    """Asks one server; a double of it stands for the server in tests."""

    async def get(self, path: str, *, timeout: float) -> Reply:  # noqa: ASYNC109 # one try's
        """Return the answer to a GET.

        Raises:
            DependencyError: There was no whole answer in time.
        """

    async def close(self) -> None:
        """Close all connections."""


class HttpTransport:
    """Asks one server over HTTP/1.1.

    No redirects, cookies, proxies of the environment, or retries: a service's own policy decides
    about trying again.

    Args:
        base: `http://address:port`.
        headers: Sent with each request.
    """

    def __init__(self, base: str, *, headers: Mapping[str, str] | None = None) -> None:
        self._base, self._headers = base, dict(headers or {})
        self._session: ClientSession | None = None

    async def get(self, path: str, *, timeout: float) -> Reply:  # noqa: ASYNC109 # one try's
        """Return the answer to a GET.

        Raises:
            DependencyError: There was no whole answer in time, or it is too long.
        """
        import aiohttp

        limit = aiohttp.ClientTimeout(total=timeout)
        try:
            async with self._open().get(path, timeout=limit, allow_redirects=False) as answer:
                body = await answer.content.read(_MOST + 1)
                while len(body) <= _MOST and (more := await answer.content.read(_MOST)):
                    body += more
                headers = {name.lower(): value for name, value in answer.headers.items()}
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            text = str(error) or f"no answer within {timeout:g} s"
            raise DependencyError(
                f"GET {self._base}{path}: {text}", next_step="Is the server up, and the way free?"
            ) from error
        if len(body) > _MOST:
            raise DependencyError(f"GET {self._base}{path}: the answer is longer than {_MOST} B")
        return Reply(answer.status, body, headers)

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _open(self) -> ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                self._base, headers=self._headers, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session
