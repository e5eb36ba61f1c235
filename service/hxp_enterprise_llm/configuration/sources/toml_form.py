"""TOML 1.0, with the line of every key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.document import Document, Limits

_POSITION = re.compile(r" \((?:at line (\d+), column (\d+)|at end of document)\)$")
_DIGITS = re.compile(r"[0-9_]{4000}")
_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE = re.compile(rf"\s*(\[\[?)\s*({_KEY})\s*\]")
_PAIR = re.compile(rf"\s*({_KEY})\s*=")


def parse_toml(document: Document, text: str, limits: Limits) -> None:
    """Fill a document from TOML text."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        _syntax(document, str(error), text)
        return
    except ValueError:  # more digits than Python reads
        _too_long(document, text)
        return
    except RecursionError:
        _too_big(document)
        return
    if _too_much(data, limits):
        _too_big(document)
        return
    lines = dict(_lines(text.split("\n")))
    for path in _paths(data, ()):
        document.places[path] = document.place(_line_of(path, lines), 1)
    document.data = data


def _syntax(document: Document, message: str, text: str) -> None:
    position = _POSITION.search(message)
    line, column = (position[1], position[2]) if position else (None, None)
    place = document.place(int(line or text.count("\n") + 1), int(column or 1))
    # tomllib's messages may quote a character or a key, never a value.
    reason = _POSITION.sub("", message)
    document.refuse(
        f"this is not TOML: {reason[:1].lower()}{reason[1:]}.",
        "Check quotes, brackets and `=` near this line.",
        place,
    )


def _too_long(document: Document, text: str) -> None:
    number = _DIGITS.search(text)
    line = text.count("\n", 0, number.start()) + 1 if number else 1
    document.refuse("a number has too many digits.", "Put it in quotes.", document.place(line, 1))


def _too_big(document: Document) -> None:
    document.refuse("the document is too big or too deep.", "Split it.", document.place(1, 1))


def _too_much(data: Any, limits: Limits) -> bool:
    return any(
        count > limits.nodes or len(path) > limits.depth
        for count, path in enumerate(_paths(data, ()), start=1)
    )


def _paths(data: Any, at: KeyPath) -> Iterator[KeyPath]:
    items: Any = data.items() if isinstance(data, dict) else ()
    items = enumerate(data) if isinstance(data, list) else items
    for key, value in items:
        yield (*at, key)
        yield from _paths(value, (*at, key))


def _lines(lines: list[str]) -> Iterator[tuple[KeyPath, int]]:
    """Yield the line of each key that begins a line; the parser says no places itself."""
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, line in enumerate(lines, start=1):
        header = _TABLE.match(line)
        if header is not None:
            table = tuple(_parts(header[2]))
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            else:
                table = _indexed(table, counts)
            yield table, number
            continue
        pair = _PAIR.match(line)
        if pair is not None:
            yield (*table, *_parts(pair[1])), number


def _parts(key: str) -> Iterator[str]:
    for part in re.findall(_PART, key):
        if part[0] == '"':
            try:
                yield tomllib.loads(f"x = {part}")["x"]
            except tomllib.TOMLDecodeError:  # a line of a text, which looks like a key
                yield part
        else:
            yield part.strip("'")


def _indexed(table: KeyPath, counts: dict[KeyPath, int]) -> KeyPath:
    """Return the path of a table that stands in the last item of a list of tables."""
    for length in range(len(table), 0, -1):
        if table[:length] in counts:
            return (*table[:length], counts[table[:length]], *table[length:])
    return table


def _line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int:
    """Return the line of a key, or of what it stands in: a value over several lines has one."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return next((line for other, line in lines.items() if other[: len(path)] == path), 1)
