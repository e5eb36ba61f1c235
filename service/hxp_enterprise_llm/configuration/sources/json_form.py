"""JSON (RFC 8259), with the place of every key."""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, Place
from hxp_enterprise_llm.configuration.document import Document, Limits

_SPACE = re.compile(r"[ \t\n\r]*")


def parse_json(document: Document, text: str, limits: Limits) -> None:
    """Fill a document from JSON text."""
    if not text.strip(" \t\n\r"):
        return
    try:
        data = _Reader(document, text, limits).top()
    except json.JSONDecodeError as error:
        document.refuse(
            f"this is not JSON: {error.msg} (column {error.colno}).",
            "Check commas, quotes and brackets near this line.",
            document.place(error.lineno, error.colno),
        )
        return
    if isinstance(data, dict):
        document.data = data
    else:
        message = "the document is not a map of keys."
        document.refuse(message, 'Start with `{"schema": 1`.', document.place(1, 1))


class _Reader:
    """Walks the text itself; the parser of the standard library knows no places."""

    def __init__(self, document: Document, text: str, limits: Limits) -> None:
        self._document, self._text, self._limits = document, text, limits
        self._scalar = json.JSONDecoder(parse_constant=_refuse_constant)
        self._nodes = 0
        # Places are asked for in the order of the text.
        self._line, self._line_start, self._seen = 1, 0, 0

    def top(self) -> Any:
        value, at = self._value(self._skip(0), ())
        if self._skip(at) != len(self._text):
            raise json.JSONDecodeError("more stands behind the end", self._text, at)
        return value

    def _value(self, at: int, path: KeyPath) -> tuple[Any, int]:
        self._nodes += 1
        if self._nodes > self._limits.nodes or len(path) > self._limits.depth:
            raise json.JSONDecodeError("the document is too big or too deep", self._text, at)
        if self._text[at : at + 1] == "{":
            return self._map(at + 1, path)
        if self._text[at : at + 1] == "[":
            return self._list(at + 1, path)
        return self._plain(at)

    def _plain(self, at: int) -> tuple[Any, int]:
        try:
            return self._scalar.raw_decode(self._text, at)
        except json.JSONDecodeError:
            raise
        except ValueError:
            message = "a number that JSON does not have"
            raise json.JSONDecodeError(message, self._text, at) from None

    def _map(self, at: int, path: KeyPath) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        at = self._skip(at)
        if self._text[at : at + 1] == "}":
            return values, at + 1
        while True:
            key, value, at, first = self._pair(self._skip(at), path)
            if first:
                values[key] = value
            at, ended = self._next(self._skip(at), "}")
            if ended:
                return values, at

    def _pair(self, at: int, path: KeyPath) -> tuple[str, Any, int, bool]:
        if self._text[at : at + 1] != '"':
            raise json.JSONDecodeError("a key in double quotes is missing", self._text, at)
        place = self._place(at)
        key, at = scanstring(self._text, at + 1, True)  # noqa: FBT003 - strict, by its position
        at = self._skip(at)
        if self._text[at : at + 1] != ":":
            raise json.JSONDecodeError("a colon is missing", self._text, at)
        first = not self._document.twice((*path, key), place)
        value, at = self._value(self._skip(at + 1), (*path, key))
        return key, value, at, first

    def _list(self, at: int, path: KeyPath) -> tuple[list[Any], int]:
        values: list[Any] = []
        at = self._skip(at)
        if self._text[at : at + 1] == "]":
            return values, at + 1
        while True:
            at = self._skip(at)
            self._document.places[(*path, len(values))] = self._place(at)
            value, at = self._value(at, (*path, len(values)))
            values.append(value)
            at, ended = self._next(self._skip(at), "]")
            if ended:
                return values, at

    def _next(self, at: int, end: str) -> tuple[int, bool]:
        found = self._text[at : at + 1]
        if found not in {",", end}:
            raise json.JSONDecodeError(f"a comma or `{end}` is missing", self._text, at)
        return at + 1, found == end

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return match.end() if match else at

    def _place(self, at: int) -> Place:
        breaks = self._text.count("\n", self._seen, at)
        if breaks:
            self._line += breaks
            self._line_start = self._text.rindex("\n", self._seen, at) + 1
        self._seen = at
        return self._document.place(self._line, at - self._line_start + 1)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)
