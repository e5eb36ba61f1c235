"""The interface of all backends, and what they say about a secret."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretNotFoundError,
    SecretRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.rules import MadeBy, RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.secrets.backup import Saved
    from hxp_enterprise_llm.configuration.secrets.damage import Damage


@dataclass(frozen=True)
class SecretInfo:
    """What may be shown of a secret.

    Attributes:
        path: Where it lies in its backend.
        version: Counts its values from 1; 0 where the backend does not count.
        made_at: When this value was set; None where the backend does not say.
        key_id: What it is sealed with; empty where that is the backend's own matter.
        rule: Who made its value, and how it is renewed.
        pending: Whether a hook was given a new value, and its renewal did not end.
    """

    path: str
    version: int = 0
    made_at: datetime | None = None
    key_id: str = ""
    rule: RotationRule = field(default_factory=RotationRule)
    pending: bool = False


Work = Callable[[RotationRule, Secret], Secret]
"""Brings a value in outside; takes the rule and the value, returns the one that counts."""


class Backend(Protocol):
    """Keeps secrets. All methods raise `BackendAwayError` when it does not answer."""

    scheme: str
    writable: bool
    remote: bool

    async def get(self, path: str) -> Secret:
        """Return a value; `SecretNotFoundError` when there is none."""

    async def set(
        self,
        path: str,
        value: Secret,
        *,
        made_at: datetime | None = None,
        made_by: MadeBy = MadeBy.GIVEN,
    ) -> SecretInfo:
        """Put a value at a path; `SecretRefusedError` where the backend is read only.

        Backends of others keep their own time, and do not say who made a value.
        """

    async def set_rule(self, path: str, rule: RotationRule) -> SecretInfo:
        """Change how a secret is renewed; `SecretRefusedError` where that is said elsewhere."""

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


@runtime_checkable
class Keyed(Protocol):
    """A backend whose own keys grow old, too."""

    def keys(self) -> tuple[SecretInfo, ...]:
        """Return the keys that seal; the path names file and id."""


@runtime_checkable
class Staging(Protocol):
    """A backend that keeps a new value before anybody else gets it."""

    async def renew(self, path: str, fresh: Secret, work: Work) -> SecretInfo:
        """Keep a fresh value, do the work, and make what that returns the value."""


@runtime_checkable
class Mendable(Protocol):
    """A backend whose files can be damaged, and put back from a backup."""

    def damage(self) -> Damage:
        """Return what does not open any more."""

    async def put_back(self, saved: Iterable[Saved]) -> tuple[Path, ...]:
        """Write secrets of a backup, all at once; return what was kept aside of damaged files."""


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
        made_by: MadeBy = MadeBy.GIVEN,  # noqa: ARG002
    ) -> SecretInfo:
        """Refuse."""
        raise self._refusal(path)

    async def set_rule(self, path: str, rule: RotationRule) -> SecretInfo:  # noqa: ARG002
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


class NotSetUp(ReadOnly):
    """Stands in for a backend that cannot be opened here: each use says why.

    Args:
        scheme: The scheme that it answers for.
        reason: The error of opening it.
    """

    remote = True

    def __init__(self, scheme: str, reason: SecretRefusedError) -> None:
        self.scheme, self._reason = scheme, reason

    async def get(self, path: str) -> Secret:  # noqa: ARG002
        """Refuse."""
        raise self._reason

    async def info(self, path: str) -> SecretInfo:  # noqa: ARG002
        """Refuse."""
        raise self._reason

    async def check(self) -> str:
        """Refuse."""
        raise self._reason


def silence(*loggers: str) -> None:
    """Keep a library's debug lines out of all logs: they hold requests and answers whole."""
    for name in loggers:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))


def missing(scheme: str, path: str, next_step: str) -> SecretNotFoundError:
    """Return the error for a secret that is not there."""
    return SecretNotFoundError(f"there is no secret {scheme}:{path}", next_step=next_step)


def ruled_elsewhere(scheme: str, path: str, how: str) -> SecretRefusedError:
    """Return the error for a rule of rotation that is kept beside a secret, not by us."""
    return SecretRefusedError(
        f"the rule of {scheme}:{path} is not kept here",
        next_step=f"Write the number of days into {how}; who renews it is its owner's matter.",
    )


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
