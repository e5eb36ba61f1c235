"""INI: `[hosts.llm-1]` is a section, dots go down; values are YAML scalars."""

from __future__ import annotations

import re
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.document import Document, Limits
from hxp_enterprise_llm.configuration.sources.yaml_form import parse_value

_SECTION = re.compile(r"\[([^\]]+)\]\s*(?:[#;].*)?$")
_PAIR = re.compile(r"([^=:\s][^=:]*?)\s*[=:]\s*(.*)$")
# A dot inside quotes is part of the key: [models."qwen2.5"].
_PARTS = re.compile(r'"([^"]*)"|([^."]+)')


def parse_ini(document: Document, text: str, limits: Limits) -> None:
    """Fill a document from INI text; an indented line goes on the value above it."""
    section: KeyPath = ()
    values: dict[KeyPath, str] = {}
    last: KeyPath | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        place = document.place(number, len(line) - len(line.lstrip()) + 1)
        if line[0].isspace() and last is not None:
            values[last] += f"\n{stripped}"
            continue
        header, pair = _SECTION.match(stripped), _PAIR.match(stripped)
        if header is not None:
            section, last = keys_of(header[1]), None
            document.places.setdefault(section, place)
        elif pair is not None:
            path = (*section, pair[1])
            last = None if document.twice(path, place) else path
            if last is not None:
                values[last] = pair[2].strip()
        else:
            message = "this is not INI: neither `[section]` nor `key = value`."
            document.refuse(message, "Write one of the two.", place)
    if len(values) > limits.nodes or any(len(path) > limits.depth for path in values):
        document.refuse("the document is too big or too deep.", "Split it.", document.place(1, 1))
        return
    for path, value in values.items():
        _put(document, path, parse_value(value))


def keys_of(text: str) -> KeyPath:
    """Return the keys of a dotted name; quotes keep a dot inside a key."""
    return tuple((quoted or plain).strip() for quoted, plain in _PARTS.findall(text))


def _put(document: Document, path: KeyPath, value: Any) -> None:
    section: Any = document.data
    for length, part in enumerate(path[:-1], start=1):
        document.places.setdefault(path[:length], document.places[path])
        section = section.setdefault(part, {})
        if not isinstance(section, dict):
            _not_a_section(document, path, path[:length])
            return
    if isinstance(section.get(path[-1]), dict):
        _not_a_section(document, path, path)
        return
    section[path[-1]] = value


def _not_a_section(document: Document, path: KeyPath, value: KeyPath) -> None:
    first = document.places[value]
    document.refuse(
        f"the key of line {first.line} is a value and a section.",
        "Keep one of the two.",
        document.places[path],
        path,
        "C002",
    )
