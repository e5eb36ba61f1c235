"""Requests to Vault or OpenBao with a token that is kept alive."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hxp_enterprise_llm.configuration.secrets.errors import (
    AccessDeniedError,
    BackendAwayError,
    SecretNotFoundError,
    SecretRefusedError,
    VaultRefusedError,
    VaultSealedError,
)
from hxp_enterprise_llm.configuration.secrets.leases import (
    Lease,
    LeaseWatcher,
    RenewalPolicy,
    Told,
)
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.vault.auth import Token, lease_of
from hxp_enterprise_llm.configuration.secrets.vault.settings import VaultSettings
from hxp_enterprise_llm.core.exceptions import CitadelError

if TYPE_CHECKING:
    import aiohttp

_LARGEST = 1 << 20
_AWAY = "Look at it: vault status. Values read before are served while the cache policy allows."


class VaultClient:
    """Talks to one Vault; lives in one event loop.

    Args:
        settings: Where it is and who we are.
        renewal: When the token is renewed, and how often a login is tried at most.
        told: Takes what becomes of the token: `renewed`, `issued`, `failed`, and seconds left.
        clock: Seconds that never go backwards.
    """

    def __init__(
        self,
        settings: VaultSettings,
        *,
        renewal: RenewalPolicy | None = None,
        told: Told = lambda _outcome, _seconds: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._told, self._clock = settings, told, clock
        self._renewal = renewal or RenewalPolicy()
        self._session: aiohttp.ClientSession | None = None
        self._token: Token | None = None
        self._login = asyncio.Lock()
        self._login_failed: CitadelError | None = None
        self._failures = 0
        self._login_after = self._issued_at = 0.0
        self._watch: asyncio.Task[None] | None = None

    async def request(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send one request with our token and return its answer.

        Args:
            method: GET, POST, LIST, DELETE.
            path: Behind `/v1/`.
            body: What to send as JSON.

        Raises:
            VaultSealedError: It is sealed.
            BackendAwayError: It does not answer, not in time, or with an error of its own.
            AccessDeniedError: The token's policies do not allow it.
            SecretNotFoundError: There is nothing at the path.
            VaultRefusedError: It refused the request for another reason.
        """
        token = await self._logged_in()
        try:
            return await self.send(method, path, body, token=token.value)
        except AccessDeniedError:
            # A server that refuses what it has just issued must not make us log in without end.
            young = self._clock() - self._issued_at < self._renewal.least
            if young or await self._alive(token):
                raise
        if self._token is token:
            self._token = None
        token = await self._logged_in()
        return await self.send(method, path, body, token=token.value)

    async def send(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, token: Secret | None
    ) -> dict[str, Any]:
        """Send one request with a given token; raises what `request` raises."""
        import aiohttp

        if {".", ".."} & set(path.split("/")):
            raise SecretRefusedError(
                f"Vault's path {path} has . or .. in it", next_step="Write the path that is meant."
            )
        headers = {"X-Vault-Request": "true"}
        if token is not None:
            headers["X-Vault-Token"] = token.reveal()
        if self._settings.namespace:
            headers["X-Vault-Namespace"] = self._settings.namespace
        url = f"{self._settings.address}/v1/{quote(path, safe='/')}"
        try:
            # A redirect could carry the token to another server.
            async with self._opened().request(
                method, url, json=body, headers=headers, allow_redirects=False
            ) as answer:
                return await self._read(answer, path)
        except TimeoutError:
            raise self._away(f"did not answer within {self._settings.timeout:g} s") from None
        except aiohttp.ClientError as error:
            raise self._away(f"cannot be reached: {type(error).__name__}") from None

    async def renew_self(self) -> Lease:
        """Make our token live longer."""
        token = await self._logged_in()
        return lease_of(await self.send("POST", "auth/token/renew-self", {}, token=token.value))

    async def health(self) -> str:
        """Return version and state in a line.

        Raises:
            VaultSealedError: It is sealed.
            BackendAwayError: It does not answer.
        """
        query = "sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"
        answer = await self._health(query)
        if answer.get("sealed", True):
            raise self._sealed()
        return f"Vault {answer.get('version', '?')} at {self._settings.address}"

    async def aclose(self) -> None:
        """Stop renewing and close connections; the token is left to end by itself."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _health(self, path: str) -> dict[str, Any]:
        import aiohttp

        try:
            url = f"{self._settings.address}/v1/{path}"
            async with self._opened().get(url, allow_redirects=False) as answer:
                return await self._read(answer, "sys/health")
        except TimeoutError:
            raise self._away(f"did not answer within {self._settings.timeout:g} s") from None
        except aiohttp.ClientError as error:
            raise self._away(f"cannot be reached: {type(error).__name__}") from None

    async def _read(self, answer: aiohttp.ClientResponse, path: str) -> dict[str, Any]:
        import json

        content = await answer.content.read(_LARGEST + 1)
        while len(content) <= _LARGEST and (more := await answer.content.read(_LARGEST)):
            content += more
        try:
            document = json.loads(content) if content else {}
        except ValueError:
            document = None
        if not isinstance(document, dict) or len(content) > _LARGEST:
            raise self._away(f"answered {answer.status} in no known form")
        if answer.status < 300:
            return document
        raise self._error(answer.status, path, document)

    def _error(self, status: int, path: str, document: dict[str, Any]) -> Exception:
        # Vault's own words may repeat what was sent, so only known ones are looked for.
        words = " ".join(str(word) for word in document.get("errors") or ())
        if status == 503 and "sealed" in words:
            return self._sealed()
        if status == 403:
            return AccessDeniedError(
                f"Vault refuses {path}",
                next_step="Does the policy of this token or role allow the path?",
            )
        if status == 404:
            return SecretNotFoundError(
                f"Vault has nothing at {path}", next_step="Is the path right, and the mount?"
            )
        if status < 400 or status in {429, 472, 473} or status >= 500:
            return self._away(f"answered {status}")
        reason = "check-and-set" if "check-and-set" in words else f"status {status}"
        return VaultRefusedError(
            f"Vault refused the request to {path}: {reason}",
            next_step="Look into Vault's audit log for the request.",
        )

    def _away(self, what: str) -> BackendAwayError:
        return BackendAwayError(f"Vault at {self._settings.address} {what}", next_step=_AWAY)

    def _sealed(self) -> VaultSealedError:
        return VaultSealedError(
            f"Vault at {self._settings.address} is sealed",
            next_step="Unseal it: vault operator unseal. Values read before are served while the "
            "cache policy allows.",
        )

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            verify: ssl.SSLContext | bool = True
            if self._settings.ca_file is not None:
                verify = ssl.create_default_context(cafile=self._settings.ca_file)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=verify, limit=16),
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
                trust_env=False,
            )
        return self._session

    async def _logged_in(self) -> Token:
        if self._token is not None:
            return self._token
        async with self._login:
            if self._token is not None:
                return self._token
            if self._login_failed is not None and self._clock() < self._login_after:
                raise self._login_failed
            return await self._log_in()

    async def _log_in(self) -> Token:
        try:
            token = await self._settings.auth.login(self)
        except CitadelError as error:
            self._failures += 1
            policy = self._renewal
            pause = min(policy.least * 2 ** min(self._failures, 20), policy.most)
            self._login_failed, self._login_after = error, self._clock() + pause
            self._told("failed", 0.0)
            raise
        self._failures, self._login_failed, self._token = 0, None, token
        self._issued_at = self._clock()
        self._told("issued", token.lease.seconds)
        if self._watch is None or self._watch.done():
            watcher = LeaseWatcher(
                self.renew_self, self._issue, policy=self._renewal, told=self._told
            )
            self._watch = asyncio.create_task(watcher.run(token.lease))
        return token

    async def _issue(self) -> Lease:
        """Get a new token for the watcher; the old one is kept until there is a new one."""
        async with self._login:
            return (await self._log_in()).lease

    async def _alive(self, token: Token) -> bool:
        """Return whether Vault still knows a token: a refusal may be the path's or the token's."""
        try:
            await self.send("GET", "auth/token/lookup-self", token=token.value)
        except AccessDeniedError:
            return False
        return True
