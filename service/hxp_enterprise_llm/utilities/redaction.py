"""The one place that takes secrets out of what people and files get to see."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote, quote_plus

HIDDEN = "[redacted]"
_SHORTEST = 6
"""Shorter values are words: to hide them would only make a log unreadable, and confirm guesses."""
_MAX_TEXT = 16_384
_MAX_ITEMS = 100
_MAX_DEPTH = 8
_REMEMBERED = 1024
"""Texts and names whose verdict is remembered: lines of a service say the same words again."""
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)
_KEY = re.compile(r"[\w.@/\[\]-]{1,60}")
_KEY_BEGIN = re.compile(r"[A-Za-z_][A-Za-z_-]{0,3}")
_ID = 16
_MAX_REMEMBERED = 128
"""Longer texts are seldom the same twice."""

_NAMES = (
    "password|passwd|passphrase|secret|token|apikey|authorization|cookie|privatekey|accesskey"
    "|credential|credentials|masterkey|datakey|signingkey"
)
_SECRET_NAME = re.compile(rf"(.*)({_NAMES})")
_IN_TEXT = _NAMES.replace("key", "[_-]?key")
# A value in quotes ends where its quote stands unescaped; JSON within JSON escapes the quotes too.
# One that has no end was cut: all of it is hidden.
_QUOTED = (
    r"""(?:"(?:[^"\\]|\\(?:.|\Z))*+(?:"|\Z)|'(?:[^'\\]|\\(?:.|\Z))*+(?:'|\Z)"""
    r"""|(?P<esc>\\+["'])(?:(?!(?<!\\)(?P=esc)).)*+(?:(?P=esc)|\Z))"""
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(-----END \1-----|\Z)", re.DOTALL),
        HIDDEN,
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    # Forms that their makers gave a prefix, so that such as we find them.
    (
        re.compile(
            r"(?:\b|(?<=\\[nrt]))(?:ck_[A-Za-z0-9_-]{40,}"
            r"|(sk-|cts_|hv[sbr]\.|gh[pousr]_|glpat-|hf_|xox[abprs]-|AKIA)[A-Za-z0-9_.-]{8,}"
            r"|eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*)"
        ),
        HIDDEN,
    ),
)
_ASSIGNED: tuple[tuple[re.Pattern[str], str], ...] = (
    # A password may hold `@` and `/` as they are: hidden up to the last `@`, if it is no port.
    (
        re.compile(r"""(://[^\s/:@]*):(?:(?!\d+[/?#])[^\s"'<>]{1,1024}|[^\s/]+)@"""),
        rf"\1:{HIDDEN}@",
    ),
    (
        re.compile(
            rf"""(?is)((?:{_IN_TEXT})\\*["']?\s*[=:]\s*)"""
            rf"""(?:{_QUOTED}|\[[^\]]*(?:\]|\Z)|[^\s"',;&)}}\]]+)"""
        ),
        rf"\1{HIDDEN}",
    ),
)
# A terminal would obey them, and a reader would take a forged line for a real one.
_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}


class Redactor:
    """Hides secrets by name, by form, and by value where the value is known.

    What it returns is made of plain JSON types, so that nothing renders an object afterwards.
    """

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        # Whether one of them may also come as a number.
        self._numbers = False
        # Only what came out as it went in: no secret is kept here.
        self._clean: set[str] = set()
        # Names of fields that are shown as they are and hold no secret.
        self._plain: set[str] = set()

    def learn(self, value: str) -> None:
        """Hide this value from now on, in its usual encodings too; short ones are not learnt."""
        if len(value) < _SHORTEST:
            return
        self._known.update(dict.fromkeys(_forms(value)))
        self._numbers = self._numbers or _NUMBER.fullmatch(value) is not None
        # A new one: what another thread judges just now by the old values goes into the old set.
        self._clean, self._plain = set(), set()

    def forget(self) -> None:
        """Forget all values that were learnt."""
        self._known.clear()
        self._numbers = False

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
        if found := [value for value in self._known if value in text]:
            text = _covered(text, found)
        # Cut only now: half of a known value would not be found.
        if len(text) > _MAX_TEXT:
            text = f"{text[:_MAX_TEXT]}… ({len(text)} characters)"
        if _is_id(text):
            return text
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        if "=" in text or ":" in text:
            for pattern, replacement in _ASSIGNED:
                text = pattern.sub(replacement, text)
        return text.translate(_CONTROLS)

    def data(self, value: Any, *, depth: int = 0) -> Any:
        """Return a value as plain JSON types without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if value is None or (isinstance(value, int) and not self._numbers):
            return value
        if isinstance(value, int | float):
            return self._number(value)
        if depth >= _MAX_DEPTH:
            return "…"
        if isinstance(value, dict | Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            items = [self.data(item, depth=depth + 1) for item in list(value)[:_MAX_ITEMS]]
            return items if len(value) <= _MAX_ITEMS else [*items, f"… ({len(value)} items)"]
        return self.text(_shown(value))

    def _number(self, value: float) -> float | str:
        if self._numbers and self._without(str(value)) != str(value):
            return HIDDEN
        return value if isinstance(value, int) or math.isfinite(value) else str(value)

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


def _forms(value: str) -> Iterator[str]:
    """Yield a value as it is, and in the encodings that it is met in."""
    yield value
    data = value.encode(errors="surrogatepass")
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value)):
        yield text[1:-1]
        yield json.dumps(text[1:-1])[1:-1]
    for text in (quote(data), quote(data, safe=""), quote_plus(data)):
        yield text
        yield re.sub("%..", lambda found: found[0].lower(), text)
    for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
        yield encoded.decode().rstrip("=")
    yield data.hex()
    yield data.hex().upper()
    # As a number it has no zeros before it.
    if _NUMBER.fullmatch(value) and len(plain := value.lstrip("+0")) >= _SHORTEST:
        yield plain


def _covered(text: str, found: Iterable[str]) -> str:
    """Return a text with all places of the values hidden, also where they overlap."""
    spans = sorted(
        (match.start(), match.start() + len(value))
        for value in found
        for match in re.finditer(f"(?={re.escape(value)})", text)
    )
    parts, end = [], 0
    for begin, until in spans:
        if begin >= end:
            parts += [text[end:begin], HIDDEN]
        end = max(end, until)
    return "".join([*parts, text[end:]])


def _is_id(text: str) -> bool:
    """Tell whether a text is of small letters and digits: every form has something else."""
    return text.isalnum() and text.islower()


def _remember(known: set[str], text: str) -> None:
    if len(known) >= _REMEMBERED:
        known.clear()
    known.add(text)


def is_secret_name(name: str) -> bool:
    """Tell whether a field of this name holds a secret.

    Example:
        >>> is_secret_name("db_password"), is_secret_name("max_tokens")
        (True, False)
    """
    plain = re.sub(r"[^a-z]", "", name.lower())
    return _SECRET_NAME.fullmatch(plain) is not None


def shown_key(key: object) -> str:
    """Return a key of a document on one line of at most 60 characters, for messages.

    What is no name, or too long for one, may be a secret that stands where a key belongs: a line
    of a file that is no configuration at all. Of it the first letters are shown.
    """
    text = str(key)
    if _KEY.fullmatch(text) and Redactor().text(text) == text:
        return text
    begin = _KEY_BEGIN.match(text)
    return f"{begin[0] if begin else ''}… ({len(text)} characters)"


def _shown(value: object) -> str:
    try:
        return str(value) if isinstance(value, BaseException) else repr(value)
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
