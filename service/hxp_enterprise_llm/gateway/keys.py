"""Who may come in."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError

_SCHEME = b"bearer "
_MIN_LENGTH = 16


class Key:
    """The one virtual key; keeps its digest only.

    Args:
        value: The key as users send it.
    """

    def __init__(self, value: str) -> None:
        self._digest = _digest(value.encode())

    def opens(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Return whether exactly one Authorization header carries the key."""
        found = [value for name, value in headers if name == b"authorization"]
        if len(found) != 1 or found[0][: len(_SCHEME)].lower() != _SCHEME:
            return False
        return hmac.compare_digest(self._digest, _digest(found[0][len(_SCHEME) :].strip()))


def read(
    name: str,
    environment: Mapping[str, str] = os.environ,
    *,
    learn: Callable[[str], None] = lambda _: None,
) -> Key:
    """Read the key from the credentials that systemd hands to the unit.

    Args:
        name: Of the credential.
        environment: Variables of the process.
        learn: Told the value, so that no log shows it.

    Raises:
        CitadelError: There is no such credential, or it cannot be a key.
    """
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise CitadelError(
            "CREDENTIALS_DIRECTORY is not set",
            next_step=f"Start the gateway by its unit, or name a folder with a file `{name}`.",
        )
    try:
        value = (Path(folder) / name).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not plain text"
        raise CitadelError(
            f"credential {name} cannot be read from {folder}: {why}",
            next_step=f"Put the key into the file `{name}` there, which the gateway may read.",
        ) from None
    if len(value) < _MIN_LENGTH or not value.isprintable() or " " in value:
        raise CitadelError(
            f"credential {name} is not a key",
            next_step=f"It must be one word of {_MIN_LENGTH} characters or more.",
        )
    learn(value)
    return Key(value)


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
