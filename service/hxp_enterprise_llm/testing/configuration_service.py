"""A configuration service in this process, asked over a real socket; for tests."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hxp_enterprise_llm.configuration.secrets.envelope import Keys
from hxp_enterprise_llm.configuration.secrets.keyring import utc_now
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.signing import Signer
from hxp_enterprise_llm.configuration.service.backend import Backend, FileBackend
from hxp_enterprise_llm.configuration.service.door import digest
from hxp_enterprise_llm.configuration.service.server import ConfigurationService
from hxp_enterprise_llm.schemas.access import Principal
from hxp_enterprise_llm.schemas.configuration_service import ConfigurationServiceConfig
from hxp_enterprise_llm.schemas.key import Key
from hxp_enterprise_llm.testing.connections import free_port

ADMINISTRATOR = "citadel"
KEY = Secret("a-key-of-tests-that-opens-nothing-else")


def key_of(principal: str) -> str:
    """Return the key that a principal of a test comes in with."""
    return f"key-of-{principal}-that-opens-nothing-else"


def known(**roles: tuple[str, ...]) -> dict[str, Any]:
    """Return principals with their roles and keys, for a configuration."""
    return {
        "principals": tuple(Principal(id=name, roles=held) for name, held in roles.items()),
        "keys": tuple(Key(principal=name, sha256=digest(key_of(name))) for name in roles),
    }


@dataclass(frozen=True)
class Reply:
    """An answer: its status, its body as JSON or text, its headers in small letters."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass
class ServiceUnderTest:
    """A service that runs within the block.

    Args:
        state: A folder of its own.
        backend: Where revisions lie; in that folder when not given.
        signer: Signs revisions.
        settings: More of its configuration.
        sealing: Seals stored revisions.
        audit_key: Of the audit log's chain; one of its own when not given.
        now: The wall clock; the real one when not given.
    """

    state: Path
    backend: Backend | None = None
    signer: Signer | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    sealing: Keys | None = None
    audit_key: bytes | None = None
    now: Callable[[], datetime] = utc_now

    def __post_init__(self) -> None:
        self.config = ConfigurationServiceConfig.model_validate(
            {
                "environment": "test",
                "listen": {"port": free_port()},
                "state": str(self.state),
                **self.settings,
            }
        )
        self.service = ConfigurationService(
            self.config,
            key=KEY,
            backend=self.backend or FileBackend(self.state / "revisions"),
            signer=self.signer,
            sealing=self.sealing,
            audit_key=self.audit_key,
            now=self.now,
        )

    @property
    def base(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.config.listen.port}"

    async def __aenter__(self) -> Self:
        await self.service.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.service.stop()

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: str | None = ADMINISTRATOR,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask it; `by` is the principal, or nobody."""
        import aiohttp

        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json"} if body is not None else {}
        given |= authorization(by) | dict(headers or {})
        async with (
            aiohttp.ClientSession(self.base) as session,
            session.request(
                method, path, data=data if body is not None else None, headers=given
            ) as answer,
        ):
            text = await answer.text()
            shown = json.loads(text) if "json" in answer.content_type and text else text
            names = {name.lower(): value for name, value in answer.headers.items()}
            return Reply(answer.status, shown, names)

    async def apply(self, document: Mapping[str, Any], number: int = 0, **more: Any) -> Reply:
        """Apply `gateway/main` on top of a revision; 0: it is new."""
        by = more.pop("by", ADMINISTRATOR)
        path = more.pop("path", "/v1/documents/gateway/main")
        match = {"If-Match": f'"{number}"'} if number else {"If-None-Match": "*"}
        body = {"document": document, "reason": "a test", **more}
        return await self.ask("PUT", path, body, by=by, headers=match)

    @asynccontextmanager
    async def watch(
        self, path: str, *, last: int | None = None, by: str = ADMINISTRATOR
    ) -> AsyncIterator[AsyncIterator[tuple[str, str]]]:
        """Follow an event stream; yields pairs of event and id, and comments as `("", TEXT)`."""
        import aiohttp

        given = authorization(by) | ({"Last-Event-ID": str(last)} if last is not None else {})
        async with (
            aiohttp.ClientSession(self.base) as session,
            session.get(path, headers=given) as answer,
        ):
            yield _events(answer.content)


def authorization(by: str | None) -> dict[str, str]:
    """Return the header of a principal; of nobody, none."""
    if by is None:
        return {}
    key = KEY.reveal() if by == ADMINISTRATOR else key_of(by)
    return {"Authorization": "Basic " + base64.b64encode(f"{by}:{key}".encode()).decode()}


async def _events(lines: Any) -> AsyncIterator[tuple[str, str]]:
    found: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if line == b"\n":
            if "event" in found:
                yield found["event"], found.get("id", "")
            elif "" in found:
                yield "", found[""]
            found = {}
        else:
            found[name] = value
