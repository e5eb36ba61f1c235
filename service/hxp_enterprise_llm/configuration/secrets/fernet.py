"""Fernet tokens of older systems: read for migration only, never written (A5).

Fernet is AES-128-CBC with HMAC-SHA256, so it does not meet AES-256.
"""

from __future__ import annotations

from collections.abc import Sequence

from hxp_enterprise_llm.configuration.secrets.errors import SecretRefusedError, TamperedError
from hxp_enterprise_llm.configuration.secrets.secret import Secret


def read_fernet(token: str, keys: Sequence[str]) -> Secret:
    """Return the value of a Fernet token.

    Args:
        token: The token as text.
        keys: Fernet keys (url-safe base64 of 32 bytes), newest first.

    Raises:
        SecretRefusedError: A key has another form.
        TamperedError: No key opens the token.
    """
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet

    try:
        ring = MultiFernet([Fernet(key.strip()) for key in keys])
    except ValueError:
        raise SecretRefusedError(
            "a Fernet key has another form",
            next_step="A Fernet key is url-safe base64 of 32 bytes, 44 characters.",
        ) from None
    try:
        return Secret(ring.decrypt(token.strip()).decode())
    except (InvalidToken, UnicodeDecodeError):
        raise TamperedError(
            "the Fernet token was changed, or was made with another key",
            next_step="Give the key file of the system that the token comes from.",
        ) from None
