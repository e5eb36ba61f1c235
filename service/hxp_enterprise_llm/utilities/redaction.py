"""The one place that takes secrets out of what people and files get to see."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote

HIDDEN = "[redacted]"
_SHORTEST = 6
"""Shorter values are words: to hide them would only make a log unreadable, and confirm guesses."""
_MAX_TEXT = 16_384
_MAX_ITEMS = 100
_MAX_DEPTH = 8
_REMEMBERED = 1024
"""Texts and names whose verdict is remembered: lines of a service say the same words again."""
_ID = 16
_MAX_REMEMBERED = 128
"""Longer texts are seldom the same twice."""

_NAMES = (
    "password|passwd|passphrase|secret|token|apikey|authorization|cookie|privatekey|accesskey"
    "|credential|credentials|masterkey|datakey|signingkey"
)
_SECRET_NAME = re.compile(rf"(.*)({_NAMES})")
_IN_TEXT = _NAMES.replace("key", "[_-]?key")
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(-----END \1-----|\Z)", re.DOTALL),
        HIDDEN,
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(://[^\s/:@]*):[^\s/@]+@"), rf"\1:{HIDDEN}@"),
    (
        re.compile(rf"""(?i)((?:{_IN_TEXT})["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s"',;&)}}\]]+)"""),
        rf"\1{HIDDEN}",
    ),
    # Forms that their makers gave a prefix, so that such as we find them.
    (
        re.compile(
            r"\b(sk-|cts_|hv[sbr]\.|gh[pousr]_|glpat-|hf_|xox[abprs]-|AKIA)[A-Za-z0-9_.-]{8,}"
            r"|\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*"
        ),
        HIDDEN,
    ),
)
# A terminal would obey them, and a reader would take a forged line for a real one.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 127) if chr(code) not in "\n\t"}


class Redactor:
    """Hides secrets by name, by form, and by value where the value is known.

    What it returns is made of plain JSON types, so that nothing renders an object afterwards.
    """

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        # Only what came out as it went in: no secret is kept here.
        self._clean: set[str] = set()
        # Names of fields that are shown as they are and hold no secret.
        self._plain: set[str] = set()

    def learn(self, value: str) -> None:
        """Hide this value from now on, in its usual encodings too; short ones are not learnt."""
        if len(value) < _SHORTEST:
            return
        encoded = base64.b64encode(value.encode()).decode().rstrip("=")
        forms = (value, json.dumps(value)[1:-1], repr(value)[1:-1], quote(value, safe=""), encoded)
        self._known.update(dict.fromkeys(forms))
        # A new one: what another thread judges just now by the old values goes into the old set.
        self._clean, self._plain = set(), set()

    def forget(self) -> None:
        """Forget all values that were learnt."""
        self._known.clear()

    def text(self, text: str) -> str:
        """Return a text without secrets and control characters, cut where it is endless."""
        clean = self._clean
        if text in clean:
            return text
        shown = self._without(text)
        # An id is seldom the same twice.
        unique = len(text) >= _ID and _is_id(text)
        if shown == text and len(text) <= _MAX_REMEMBERED and not unique:
            _remember(clean, text)
        return shown

    def _without(self, text: str) -> str:
        for value in self._known:
            if value in text:
                text = text.replace(value, HIDDEN)
        # Cut only now: half of a known value would not be found.
        if len(text) > _MAX_TEXT:
            text = f"{text[:_MAX_TEXT]}… ({len(text)} characters)"
        if _is_id(text):
            return text
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text.translate(_CONTROLS)

    def data(self, value: Any, *, depth: int = 0) -> Any:
        """Return a value as plain JSON types without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if depth >= _MAX_DEPTH:
            return "…"
        if isinstance(value, dict | Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            items = [self.data(item, depth=depth + 1) for item in list(value)[:_MAX_ITEMS]]
            return items if len(value) <= _MAX_ITEMS else [*items, f"… ({len(value)} items)"]
        return self.text(_shown(value))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        clean, plain = self._clean, self._plain
        for name, item in list(islice(value.items(), _MAX_ITEMS)):
            key = name
            if name not in plain:
                text = name if isinstance(name, str) else str(name)
                key = self.text(text)
                if is_secret_name(text):
                    shown[key] = item if item in (None, "") else HIDDEN
                    continue
                if key is name:
                    _remember(plain, name)
            # The usual cases first: each line of a log comes this way.
            if item is None or (item.__class__ is str and item in clean):
                shown[key] = item
            else:
                shown[key] = self.data(item, depth=depth + 1)
        if len(value) > _MAX_ITEMS:
            shown["…"] = f"{len(value)} items"
        return shown


def _is_id(text: str) -> bool:
    """Tell whether a text is of small letters and digits: every form has something else."""
    return text.isalnum() and text.islower()


def _remember(known: set[str], text: str) -> None:
    if len(known) >= _REMEMBERED:
        known.clear()
    known.add(text)


def is_secret_name(name: str) -> bool:
    """Tell whether a field of this name holds a secret: `db_password` does, `max_tokens` not."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    return _SECRET_NAME.fullmatch(plain) is not None


def _shown(value: object) -> str:
    try:
        return str(value) if isinstance(value, BaseException) else repr(value)
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
