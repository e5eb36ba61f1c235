"""Ways to log in to Vault: token, AppRole, JWT, and Kubernetes, which is a JWT of a pod."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hxp_enterprise_llm.configuration.secrets.errors import AccessDeniedError, SecretError
from hxp_enterprise_llm.configuration.secrets.leases import Lease
from hxp_enterprise_llm.configuration.secrets.secret import Secret


class Asks(Protocol):
    """What logging in needs of the client."""

    async def send(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, token: Secret | None
    ) -> dict[str, Any]:
        """Send one request and return its answer."""


@dataclass(frozen=True)
class Token:
    """A token and how long it lives; 0 seconds is for ever."""

    value: Secret
    lease: Lease


class Auth(Protocol):
    """Logs in."""

    async def login(self, client: Asks) -> Token:
        """Return a token."""


@dataclass(frozen=True)
class StaticToken:
    """A token that somebody gave us; asked for its time to live, never made anew."""

    token: Secret

    async def login(self, client: Asks) -> Token:
        """Return the token with what Vault says about it."""
        try:
            answer = await client.send("GET", "auth/token/lookup-self", token=self.token)
        except AccessDeniedError:
            # It may be unknown, or just not allowed to ask: its first request tells.
            return Token(self.token, Lease(0, renewable=False))
        data = _part(answer, "data")
        lease = Lease(float(data.get("ttl", 0)), renewable=bool(data.get("renewable", False)))
        return Token(self.token, lease)


@dataclass(frozen=True)
class AppRole:
    """A role with its secret id."""

    role_id: str
    secret_id: Secret
    mount: str = "approle"

    async def login(self, client: Asks) -> Token:
        """Return a new token."""
        body = {"role_id": self.role_id, "secret_id": self.secret_id.reveal()}
        return _token(await client.send("POST", f"auth/{self.mount}/login", body, token=None))


@dataclass(frozen=True)
class Jwt:
    """A role with a signed token from a file, which is read at each login: pods get new ones."""

    role: str
    file: Path
    mount: str = "jwt"

    async def login(self, client: Asks) -> Token:
        """Return a new token."""
        try:
            jwt = (await asyncio.to_thread(self.file.read_text)).strip()
        except OSError as error:
            raise SecretError(
                f"token file {self.file}: {error.strerror}",
                next_step="Point VAULT_JWT_FILE to the token of this service.",
            ) from None
        body = {"role": self.role, "jwt": jwt}
        return _token(await client.send("POST", f"auth/{self.mount}/login", body, token=None))


def lease_of(answer: dict[str, Any]) -> Lease:
    """Return the lease of an answer that holds a token."""
    auth = _part(answer, "auth")
    seconds, renewable = auth.get("lease_duration", 0), auth.get("renewable", False)
    return Lease(float(seconds), renewable=bool(renewable))


def _token(answer: dict[str, Any]) -> Token:
    value = _part(answer, "auth").get("client_token")
    if not isinstance(value, str) or not value:
        raise _odd()
    return Token(Secret(value), lease_of(answer))


def _part(answer: dict[str, Any], name: str) -> dict[str, Any]:
    part = answer.get(name)
    if not isinstance(part, dict):
        raise _odd()
    return part


def _odd() -> SecretError:
    return SecretError(
        "Vault's answer to the login has no known form",
        next_step="Is VAULT_ADDR the address of Vault or OpenBao?",
    )
