"""The interface of all backends, and what they say about a secret."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretNotFoundError,
    SecretRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.secret import Secret


@dataclass(frozen=True)
class SecretInfo:
    """What may be shown of a secret.

    Attributes:
        path: Where it lies in its backend.
        version: Counts its values from 1; 0 where the backend does not count.
        made_at: When this value was set; None where the backend does not say.
        key_id: What it is sealed with; empty where that is the backend's own matter.
    """

    path: str
    version: int = 0
    made_at: datetime | None = None
    key_id: str = ""


class Backend(Protocol):
    """Keeps secrets. All methods raise `BackendAwayError` when it does not answer."""

    scheme: str
    writable: bool
    remote: bool

    async def get(self, path: str) -> Secret:
        """Return a value; `SecretNotFoundError` when there is none."""

    async def set(self, path: str, value: Secret, *, made_at: datetime | None = None) -> SecretInfo:
        """Put a value at a path; `SecretRefusedError` where the backend is read only."""

    async def remove(self, path: str) -> None:
        """Remove a secret; `SecretNotFoundError` when there is none."""

    async def info(self, path: str) -> SecretInfo:
        """Return what may be shown of a secret."""

    def list(self, prefix: str = "") -> AsyncIterator[SecretInfo]:
        """Yield all secrets below a prefix, by path."""

    async def check(self) -> str:
        """Return one line about its state; raise when it cannot be used."""

    async def aclose(self) -> None:
        """Give back what it holds."""


class ReadOnly:
    """The half of a backend that others write."""

    scheme = ""
    writable = False
    remote = False

    async def set(
        self,
        path: str,
        value: Secret,  # noqa: ARG002
        *,
        made_at: datetime | None = None,  # noqa: ARG002
    ) -> SecretInfo:
        """Refuse."""
        raise self._refusal(path)

    async def remove(self, path: str) -> None:
        """Refuse."""
        raise self._refusal(path)

    async def list(self, prefix: str = "") -> AsyncIterator[SecretInfo]:  # noqa: ARG002
        """Yield nothing: what of all that is there is a secret, is not known."""
        nothing: tuple[SecretInfo, ...] = ()
        for info in nothing:
            yield info

    async def aclose(self) -> None:
        """Hold nothing that must be given back."""

    def _refusal(self, path: str) -> SecretRefusedError:
        return SecretRefusedError(
            f"{self.scheme}:{path} cannot be written: who starts the process provides it",
            next_step="Change it where it comes from, or keep the secret in another backend.",
        )


def silence(*loggers: str) -> None:
    """Keep a library's debug lines out of all logs: they hold requests and answers whole."""
    for name in loggers:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))


def missing(scheme: str, path: str, next_step: str) -> SecretNotFoundError:
    """Return the error for a secret that is not there."""
    return SecretNotFoundError(f"there is no secret {scheme}:{path}", next_step=next_step)


def split_key(scheme: str, path: str) -> tuple[str, str]:
    """Return both halves of `PATH#KEY`; the second is empty when there is no `#`.

    Raises:
        SecretRefusedError: A half is empty.
    """
    place, mark, key = path.partition("#")
    if not place or (mark and not key):
        raise SecretRefusedError(
            f"{scheme}:{path} is not of the form {scheme}:PATH#KEY",
            next_step="Name the path and, behind #, the key in it.",
        )
    return place, key
