"""Turns pydantic's errors into sentences that say what to write; never repeats a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, KeyPath, Place
from hxp_enterprise_llm.configuration.fields import choices, field_at, fields_of, models_at

_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "dict": "a map of keys",
    "model": "a map of keys",
    "tuple": "a list",
    "list": "a list",
    "date": "a date such as 2027-01-31",
    "finite": "a number that is not infinite",
}
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}

_FORMS = {
    r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$": "small letters, digits and dashes, such as llm-1",
    r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$": "small letters, digits, dots and dashes",
    r"^[0-9a-f]{64}$": "the 64 hex digits of a SHA-256, in quotes",
    r"^[A-Za-z_][A-Za-z0-9_]{0,127}$": "a name of letters, digits and `_`",
    r"^C\d{3}$": "the id of a rule, such as C210",
    r"^[A-Za-z0-9]([A-Za-z0-9._@+:-]{0,126}\w)?$": "letters, digits and `._@+:-`, at most 128",
    r"^(\*|[a-z][a-z0-9-]{0,31})$": "an action such as read, or `*` for all",
    r"^[A-Za-z0-9._@+:/#*-]{1,512}$": "a pattern such as configuration:* or secret:site/*",
    r"^[a-z][a-z0-9-]{0,31}$": "small letters, digits and dashes, at most 32",
    r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$": "small letters, digits and dashes, at most 63",
    r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}\w)?$": "letters, digits and `._-`, at most 64",
    r"^[A-Za-z0-9_.-]+$": "letters, digits and `._-`",
    r"^[A-Za-z0-9.-]+:[0-9]{1,5}$": "an address with a port, such as 127.0.0.1:8000",
    r"^/[A-Za-z0-9._~/-]*$": "a path such as /health",
    r"^/": "a path such as /health",
    r"^[a-z0-9][a-z0-9._/:@-]{0,254}$": "an image such as registry.example/name:1.0.0",
}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the nearest known word, if one is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return near[0] if near else None


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `Did you mean x?` for the nearest known word, or nothing."""
    near = nearest(word, known)
    return f"Did you mean {near}?" if near else ""


def diagnostics_of(
    error: ValidationError,
    model: type[BaseModel],
    data: dict[str, Any],
    place: Callable[[KeyPath], Place],
) -> Iterator[Diagnostic]:
    """Yield one finding for each key that pydantic refused.

    Args:
        error: What validation raised.
        model: The model of the whole document.
        data: The document.
        place: Says where a key stands.
    """
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for item in error.errors(include_input=False, include_url=False):
        by_path.setdefault(path_of(item, data), []).append(item)
    for path, items in by_path.items():
        # A union has an error for each of its members; one in our own words says most.
        told = [item for item in items if item["type"] == "value_error"]
        code, message, fix = _sentence((told or items)[0], path, model, data)
        wanted = dict.fromkeys(filter(None, map(_wanted, items)))
        if len(wanted) > 1 and not told:
            fix = f"Write {' or '.join(wanted)}."
        yield Diagnostic(code, place(path), path, message, fix)


def path_of(item: ErrorDetails, data: Any) -> KeyPath:
    """Return the path of the key at fault: pydantic's location less the names of union members."""
    path: list[str | int] = []
    for part in item["loc"]:
        if isinstance(data, dict) and part in data:
            path.append(part)
            data = data[part]
        elif isinstance(data, list) and isinstance(part, int):
            path.append(part)
            data = data[part] if part < len(data) else None
    if item["type"] == "missing":
        path.append(item["loc"][-1])
    elif item["type"].startswith("union_tag"):
        path.append("kind")
    return tuple(path)


def _sentence(
    item: ErrorDetails, path: KeyPath, model: type[BaseModel], data: Any
) -> tuple[str, str, str]:
    kind, key = item["type"], str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        known = _known(model, path[:-1], data)
        return "C003", "unknown key.", suggest(key, known) or f"Known here: {', '.join(known)}."
    if kind in {"missing", "union_tag_not_found"}:
        return "C004", "this key is missing.", _what(model, path, data)
    if item["loc"][-1] == "[key]":
        return "C006", "this is not a name.", _name_fix(item)
    return "C006", *_value(item, path, model, data)


def _value(item: ErrorDetails, path: KeyPath, model: type[BaseModel], data: Any) -> tuple[str, str]:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "value_error":
        return "the value has another form.", _capital(str(context["error"]))
    if kind in {"literal_error", "union_tag_invalid", "enum"}:
        return _choice(item, path, model, data)
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return "the value is out of bounds.", f"Write {words} {context[name]}."
    if kind == "string_pattern_mismatch":
        return "the text has another form.", _name_fix(item)
    if kind == "string_too_short":
        return "the text is too short.", f"Write at least {context['min_length']} characters."
    if kind == "string_too_long":
        return "the text is too long.", f"Write at most {context['max_length']} characters."
    if kind == "too_long":
        return "too many stand here.", f"Write at most {context['max_length']} of them."
    if kind == "too_short":
        return "nothing stands here.", f"Write at least {_number_of(path, context['min_length'])}."
    wanted = _wanted(item)
    if wanted:
        return "the value has the wrong type.", f"Write {wanted}."
    return "the value is refused.", f"Write another one: {_capital(item['msg'])}"


def _number_of(path: KeyPath, number: int) -> str:
    """Return `one host` for `hosts`, the key being the name of many."""
    key = str(path[-1]) if path else ""
    if number == 1:
        return f"one {key.removesuffix('s').replace('_', ' ') or 'entry'}"
    return f"{number} entries"


def _wanted(item: ErrorDetails) -> str:
    return _WANTED.get(item["type"].partition("_")[0], "")


def _choice(
    item: ErrorDetails, path: KeyPath, model: type[BaseModel], data: Any
) -> tuple[str, str]:
    known = [
        choice for found in models_at(model, path[:-1], None) for choice in _choices(found, path)
    ]
    known = list(dict.fromkeys(known)) or list(_plain_choices(model, path, data))
    expected = item.get("ctx", {}).get("expected") or item.get("ctx", {}).get("expected_tags", "")
    written = _text_at(data, path)
    near = suggest(written, known)
    if expected in {"True", "False"}:
        expected = expected.lower()
    return "the value is not one of those allowed.", near or f"Write {expected}."


def _choices(found: Any, path: KeyPath) -> tuple[str, ...]:
    if isinstance(found, type) and issubclass(found, BaseModel):
        field = fields_of(found).get(str(path[-1]))
        return choices(field.annotation) if field is not None else ()
    return ()


def _plain_choices(model: type[BaseModel], path: KeyPath, data: Any) -> Iterator[str]:
    for found in models_at(model, path, data):
        yield from choices(found)


def _text_at(data: Any, path: KeyPath) -> str:
    for part in path:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
    return data if isinstance(data, str) else ""


def _known(model: type[BaseModel], path: KeyPath, data: Any) -> list[str]:
    return [
        key
        for found in models_at(model, path, data)
        if isinstance(found, type) and issubclass(found, BaseModel)
        for key in fields_of(found)
    ]


def _what(model: type[BaseModel], path: KeyPath, data: Any) -> str:
    field = field_at(model, path, data)
    return f"Write it: {field.description}" if field and field.description else "Write it."


def _name_fix(item: ErrorDetails) -> str:
    pattern = item.get("ctx", {}).get("pattern", "")
    return f"Write {_FORMS.get(pattern, f'a text of the form {pattern}')}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
