"""New values."""

from __future__ import annotations

import secrets


def new_value(name: str) -> str:
    """Return a fresh value of 256 random bits; names that end in `/key` are virtual keys `ck_…`."""
    return ("ck_" if name.endswith("/key") else "") + secrets.token_urlsafe(32)
