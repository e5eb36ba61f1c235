"""Hides secrets that people wrote in clear where a reference belongs, before texts are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from typing import TYPE_CHECKING, Any

import yaml

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.fields import field_at, is_secret, secret_at
from hxp_enterprise_llm.configuration.sources.yaml_form import nodes_of
from hxp_enterprise_llm.schemas.reference import is_reference
from hxp_enterprise_llm.utilities.redaction import HIDDEN, is_secret_name

if TYPE_CHECKING:
    from pydantic import BaseModel

_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_CREDENTIALS = re.compile(r"://[^\s/:@]*:[^\s/@]+@")
_SHORTEST = 6
_MOST_NODES = 20_000


def masked_value(value: Any, path: KeyPath, model: type[BaseModel]) -> Any:
    """Return a value as it may be shown: a secret in clear is hidden, a reference is not.

    Args:
        value: What stands under the path: a single value, a map or a list.
        path: Keys from the top.
        model: The model of the whole document.
    """
    if isinstance(value, dict) and not _one_secret(model, path):
        return {key: masked_value(item, (*path, key), model) for key, item in value.items()}
    if isinstance(value, list | tuple) and not _one_secret(model, path):
        return [masked_value(item, (*path, at), model) for at, item in enumerate(value)]
    return HIDDEN if _clear(value, path, model) else value


def text_diff(old: str, new: str, names: tuple[str, str], model: type[BaseModel]) -> list[str]:
    """Return the unified diff of two YAML texts; secrets in clear are hidden in its lines.

    What differs is judged by the texts themselves: a secret that changes still makes a line.

    Args:
        old: A text.
        new: Another.
        names: What to call them.
        model: The model of both documents; says where references belong.
    """
    hidden = _hidden(old, new, model)
    lines = unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="")
    return list(_shown(list(lines), *hidden))


def _shown(lines: Sequence[str], old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    yield from lines[:2]
    before = after = 0
    for line in lines[2:]:
        if hunk := _HUNK.fullmatch(line):
            before, after = int(hunk[1]) - 1, int(hunk[2]) - 1
            yield line
        elif line.startswith("+"):
            yield f"+{new[after]}"
            after += 1
        else:
            yield f"{line[0]}{old[before]}"
            before += 1
            after += line.startswith(" ")


def _hidden(old: str, new: str, model: type[BaseModel]) -> tuple[list[str], list[str]]:
    """Return the lines of two texts without secrets; as many as there were."""
    known: set[str] = set()
    texts = [_without(text, model, known) for text in (old, new)]
    # Also where the same value stands in a comment, or has gone to another key.
    for value in sorted(known, key=len, reverse=True):
        texts = [text.replace(value, HIDDEN) for text in texts]
    first, second = (text.splitlines() for text in texts)
    return first, second


def _without(text: str, model: type[BaseModel], known: set[str]) -> str:
    try:
        root = nodes_of(text.removeprefix("\ufeff"))
        found = [] if root is None else list(_Walk(model).secrets(root, ()))
    except (yaml.YAMLError, ValueError, RecursionError):
        # Nobody knows what is a secret in it.
        return "".join(_blank(line) for line in text.splitlines(keepends=True))
    mark = len(text) - len(text.removeprefix("\ufeff"))
    spans = sorted({(n.start_mark.index + mark, n.end_mark.index + mark) for n in found})
    for start, stop in reversed(spans):
        text = f"{text[:start]}{_lines_hidden(text[start:stop])}{text[stop:]}"
    values = (node.value for node in found if isinstance(node, yaml.ScalarNode))
    known.update(value for value in values if len(value) >= _SHORTEST and _one_line(value))
    return text


class _Walk:
    """Finds the nodes of a YAML text that are secrets in clear.

    Args:
        model: Says where references belong.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model
        self._left = _MOST_NODES

    def secrets(self, node: yaml.Node, path: KeyPath) -> Iterator[yaml.Node]:
        """Yield the nodes.

        Raises:
            ValueError: There are too many nodes, as aliases of aliases make them.
        """
        self._left -= 1
        if self._left < 0:
            raise ValueError("too many nodes")
        if isinstance(node, yaml.ScalarNode):
            null = node.tag == "tag:yaml.org,2002:null"
            if not null and _clear(node.value, path, self._model):
                yield node
        elif _one_secret(self._model, path):
            yield node
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                yield from self.secrets(value, (*path, str(key.value)))
        else:
            for at, value in enumerate(node.value):
                yield from self.secrets(value, (*path, at))


def _clear(value: Any, path: KeyPath, model: type[BaseModel]) -> bool:
    """Return whether a single value is a secret, as far as its place and its form tell."""
    if value is None or isinstance(value, bool) or value == "":
        return False
    text = str(value)
    if is_reference(text) or _VARIABLE.fullmatch(text):
        return False
    named = bool(path) and is_secret_name(str(path[-1])) and field_at(model, path) is None
    return named or secret_at(model, path) or _CREDENTIALS.search(text) is not None


def _one_secret(model: type[BaseModel], path: KeyPath) -> bool:
    """Return whether one reference belongs under a path; no map or list of such."""
    field = field_at(model, path)
    return is_secret(field) if field is not None else secret_at(model, path)


def _lines_hidden(span: str) -> str:
    """Return what stands for a secret; its line ends stay, so that lines keep their numbers."""
    lines = span.splitlines(keepends=True)
    return "".join(
        (HIDDEN if line.strip() else "") + line[len(line.splitlines()[0]) :] for line in lines
    )


def _blank(line: str) -> str:
    bare = line.splitlines()[0]
    name, colon, value = bare.partition(":")
    shown = f"{name}: {HIDDEN}" if colon and value.strip() else bare if colon else HIDDEN
    return f"{shown if bare.strip() else bare}{line[len(bare) :]}"


def _one_line(value: str) -> bool:
    return len(value.splitlines()) == 1
