"""New values."""

from __future__ import annotations

import re
import secrets

_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


def new_value(name: str) -> str:
    """Return a fresh value of 256 random bits; names that end in `/key` are virtual keys `ck_…`."""
    return ("ck_" if name.endswith("/key") else "") + secrets.token_urlsafe(32)


def looks_generated(name: str, value: str) -> bool:
    """Return whether a value has the form that `new_value` gives to one of this name."""
    prefix = "ck_" if name.endswith("/key") else ""
    return value.startswith(prefix) and bool(_FORM.fullmatch(value.removeprefix(prefix)))
