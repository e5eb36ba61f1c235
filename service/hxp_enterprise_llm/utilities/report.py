"""How long work says what it does now."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str], None]
"""Takes a short text without a newline: the live line of a terminal, a plain line elsewhere."""
