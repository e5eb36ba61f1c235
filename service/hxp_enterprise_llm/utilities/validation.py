"""Checks of input from outside, one for each kind; errors say what is wanted, never what came."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from hxp_enterprise_llm.core.exceptions import InvalidInputError
from hxp_enterprise_llm.utilities.redaction import shown_key

ModelT = TypeVar("ModelT", bound=BaseModel)
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")  # RFC 9110, 5.6.2
_HOST = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)

# A text that does not end reaches to the end: no part of it is looked at twice.
_MARKS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def model(kind: type[ModelT], data: Any, *, where: str) -> ModelT:
    """Return data as a model.

    Args:
        kind: The model.
        data: What came, already parsed.
        where: What it is, for the error.

    Raises:
        InvalidInputError: Names every field that is wrong and what it must be; no value.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(shown_key, item['loc'])) or 'the whole'}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise InvalidInputError(
            f"{where} is not valid: {'; '.join(problems)}",
            next_step="Correct the fields that are named.",
        ) from None


def json_document(data: bytes, *, where: str, most_bytes: int = 2**20, most_depth: int = 32) -> Any:
    """Return a JSON document.

    Args:
        data: What came.
        where: What it is, for the error.
        most_bytes: A longer document is refused unread.
        most_depth: So deep may lists and objects be nested.

    Raises:
        InvalidInputError: It is too long, too deep, no JSON, or names a key twice.
    """
    if len(data) > most_bytes:
        raise _refused(where, f"at most {most_bytes} bytes")
    if _depth(data) > most_depth:
        raise _refused(where, f"nested at most {most_depth} deep")
    try:
        return json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _refused(where, f"JSON with each key once; it is not{place}") from None


def text(value: Any, *, where: str, most: int, least: int = 1, lines: bool = False) -> str:
    """Return a text that is printable and of a known length.

    Args:
        value: What came.
        where: What it is, for the error.
        most: Most characters.
        least: Fewest characters.
        lines: Newlines and tabs may be in it.

    Raises:
        InvalidInputError: It is no such text.
    """
    allowed = (
        value.replace("\n", "").replace("\t", "") if lines and isinstance(value, str) else value
    )
    if not isinstance(value, str) or not least <= len(value) <= most or not allowed.isprintable():
        raise _refused(where, f"printable text of {least} to {most} characters")
    return value


def identifier(value: Any, *, where: str) -> str:
    """Return a name of ours: small letters, digits, `-` and `_`, beginning with a letter.

    Raises:
        InvalidInputError: It has another form.
    """
    if not isinstance(value, str) or _IDENTIFIER.fullmatch(value) is None:
        raise _refused(where, "1 to 63 of a-z, 0-9, `-` and `_`, beginning with a letter")
    return value


def number(value: Any, *, where: str, least: float, most: float) -> float:
    """Return a number between two limits; texts and truth values are none.

    Raises:
        InvalidInputError: It is not.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # "not a number" fails each comparison.
    if not is_number or not least <= value <= most:
        raise _refused(where, f"a number from {least:g} to {most:g}")
    return float(value)


def address(value: Any, *, where: str) -> tuple[str, int]:
    """Return host and port of `host:port`, `192.0.2.1:80` or `[2001:db8::1]:80`.

    Raises:
        InvalidInputError: It has another form.
    """
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    valid_port = re.fullmatch(r"[1-9][0-9]{0,4}", port) is not None and int(port) < 65536
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else ""
    if not colon or not valid_port or not (_is_ipv6(bare) if bare else _is_host(host)):
        raise _refused(where, "`host:port`, such as 192.0.2.1:8000")
    return bare or host, int(port)


def url(
    value: Any, *, where: str, schemes: tuple[str, ...] = ("https", "http"), most: int = 2048
) -> str:
    """Return a URL of one of the schemes, with a host, and without user, password or fragment.

    Raises:
        InvalidInputError: It has another form.
    """
    wanted = f"a URL of {' or '.join(schemes)} with a host and without user, password, fragment"
    if not isinstance(value, str) or len(value) > most or not value.isascii() or " " in value:
        raise _refused(where, wanted)
    if not value.isprintable():
        raise _refused(where, wanted)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _refused(where, wanted) from None
    plain = "@" not in parts.netloc and not parts.fragment
    if parts.scheme not in schemes or not plain or not (_is_host(host) or _is_ipv6(host)):
        raise _refused(where, wanted)
    return value


def path_below(root: Path, relative: Any, *, where: str) -> Path:
    """Return the path of a file below a folder, links followed.

    Args:
        root: The folder that it must not leave.
        relative: What came.
        where: What it is, for the error.

    Raises:
        InvalidInputError: It leaves the folder, by `..`, by being absolute or by a link.
    """
    if not isinstance(relative, str) or not relative or not relative.isprintable():
        raise _refused(where, "a relative path")
    home = root.resolve()
    target = (home / relative).resolve()
    if target == home or not target.is_relative_to(home):
        raise _refused(where, "a path that stays below its folder")
    return target


def headers(values: Mapping[str, str], *, where: str, most: int = 8192) -> dict[str, str]:
    """Return HTTP headers, names in small letters, that no line break can end early.

    Raises:
        InvalidInputError: A name or a value has characters that HTTP does not allow there.
    """
    for name, value in values.items():
        if _HEADER_NAME.fullmatch(name) is None:
            raise _refused(where, "header names of letters, digits and `-`")
        if len(value) > most or any(ord(sign) < 32 and sign != "\t" for sign in value):
            raise _refused(f"{where}, header {name}", f"at most {most} characters on one line")
    return {name.lower(): value for name, value in values.items()}


def _refused(where: str, wanted: str) -> InvalidInputError:
    return InvalidInputError(f"{where} is not valid", next_step=f"Give {wanted}.")


def _is_host(host: str) -> bool:
    if host.replace(".", "").isdigit():
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return False
    return _HOST.fullmatch(host) is not None


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _depth(data: bytes) -> int:
    """Return how deep brackets nest outside of texts, without parsing."""
    depth = deepest = 0
    for mark in _MARKS.findall(data):
        if mark in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in b"]}":
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is named twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)
