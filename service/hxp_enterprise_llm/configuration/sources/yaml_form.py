"""YAML 1.2, with the place of every key; `<<`, tags and keys that are no text are refused.

PyYAML reads plain scalars as YAML 1.1: `off` is false there, `1:30` is 90 and `010` is 8. Here they
are texts or what they look like, as in editors and in every newer reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import yaml

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, Place
from hxp_enterprise_llm.configuration.document import LIMITS, Document, Limits

# The C parser is ten times as fast; wheels of PyYAML carry it, source builds may not.
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Parser):  # type: ignore[misc]
    """PyYAML with the plain scalars of YAML 1.2, section 10.3.2, and dates."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Return a whole number; `0o17` and `0xF` say their base, all else is decimal."""
        text = self.construct_scalar(node)
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


_NUMBER = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
for _tag, _form, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        rf"{_NUMBER}|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("timestamp", r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "0123456789"),
    # Known here only so that they can be refused in words.
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_form})$"), list(_first)
    )
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
# The C parser recurses on the C stack and would take the process with it; this is far below.
_SAFE_DEPTH = 2_000


def parse_yaml(document: Document, text: str, limits: Limits) -> None:
    """Fill a document from YAML text."""
    try:
        if _may_nest_deeply(text):
            _refuse_deep(text, limits)
        tagged = _tagged(text)
        if tagged is not None:
            message = "a tag stands here; only `!!str` before a single value is known."
            place = document.place(tagged.line + 1, tagged.column + 1)
            document.refuse(message, "Take the tag out, or put the value in quotes.", place)
            return
        loader = _Loader(text)
        try:
            _Reader(document, loader, limits).top(loader.get_single_node())
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        _syntax(document, error, text)


def nodes_of(text: str) -> yaml.Node | None:
    """Return the nodes of a YAML text, with the place of each; None of an empty one.

    Raises:
        YAMLError: It is no YAML.
        RecursionError: It nests too deeply.
    """
    # Not the C parser: it counts places in its own way, and would take the process with it.
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    return node


def parse_value(text: str) -> Any:
    """Return the value of a YAML scalar, list or map in brackets; else the text itself.

    Variables and flags hold such values; what is no YAML is a text, such as `@daily`.
    """
    if len(text) > LIMITS.size or _may_nest_deeply(text):
        return text
    try:
        if _tagged(text) is not None:
            return text
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if isinstance(node, yaml.ScalarNode) or text.lstrip().startswith(("[", "{")):
                document = Document(path=_NOWHERE)
                value = _Reader(document, loader, LIMITS).value(node, ())
                return text if document.problems else value
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError):  # ValueError: bytes that are no UTF-8
        pass
    return text


def _may_nest_deeply(text: str) -> bool:
    """Return whether a text could nest too deep for the C parser; never no for one that does.

    A flow list or map takes a bracket a level, a block one a column a level.
    """
    brackets = text.count("[") + text.count("{")
    return brackets + max(map(len, text.split("\n"))) > _SAFE_DEPTH


def _refuse_deep(text: str, limits: Limits) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > limits.depth:
                mark: Any = event.start_mark
                raise yaml.composer.ComposerError(None, None, _TOO_DEEP, mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _tagged(text: str) -> Any:
    """Return where the first tag stands that is not `!!str` on a scalar; None without one.

    A composed node does not say whether its tag was written or found.
    """
    if "!" not in text:
        return None
    for event in yaml.parse(text, Loader=_Loader):
        tag = getattr(event, "tag", None)
        if tag is None or (isinstance(event, yaml.ScalarEvent) and tag == _TEXT):
            continue
        return event.start_mark
    return None


_TEXT = "tag:yaml.org,2002:str"
_TOO_DEEP = "maps and lists stand too deep inside each other"
_NOWHERE: Any = None


class _Reader:
    """Walks composed nodes; PyYAML's own constructor would lose places and duplicate keys."""

    def __init__(self, document: Document, loader: Any, limits: Limits) -> None:
        self._document, self._loader, self._limits = document, loader, limits
        self._active: set[int] = set()
        self._nodes = 0

    def top(self, node: yaml.Node | None) -> None:
        """Fill the document from its root node."""
        if node is None:
            return
        if not isinstance(node, yaml.MappingNode):
            message = "the document is not a map of keys."
            self._document.refuse(message, "Start with `schema: 1`.", self._place(node))
            return
        self._document.data = self._map(node, ())

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        """Return the plain value of a node."""
        self._nodes += 1
        if id(node) in self._active or self._nodes > self._limits.nodes:
            raise yaml.composer.ComposerError(
                None, None, "an alias holds itself, or the document is too big", node.start_mark
            )
        if len(path) > self._limits.depth:
            raise yaml.composer.ComposerError(None, None, _TOO_DEEP, node.start_mark)
        self._active.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._map(node, path)
            if isinstance(node, yaml.SequenceNode):
                return self._list(node, path)
            try:
                return self._loader.construct_object(node)
            except ValueError:  # no such day, more digits than Python reads: whoever wants one
                return node.value  # refuses a text
        finally:
            self._active.discard(id(node))

    def _list(self, node: yaml.SequenceNode, path: KeyPath) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            self._document.places[(*path, index)] = self._place(item)
            values.append(self.value(item, (*path, index)))
        return values

    def _map(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, item, key_node in self._pairs(node, path):
            if not self._document.twice((*path, key), self._place(key_node)):
                values[key] = self.value(item, (*path, key))
        return values

    def _pairs(
        self, node: yaml.MappingNode, path: KeyPath
    ) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        for key_node, item in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _TEXT:
                merge = getattr(key_node, "tag", "") == "tag:yaml.org,2002:merge"
                self._document.refuse(
                    "`<<` is not known here." if merge else "a key is not text.",
                    "Use `extends`, or write it out." if merge else "Put the key in quotes.",
                    self._place(key_node),
                    path,
                )
                continue
            yield key_node.value, item, key_node

    def _place(self, node: yaml.Node) -> Place:
        mark = node.start_mark
        return self._document.place(mark.line + 1, mark.column + 1)


def _syntax(document: Document, error: yaml.YAMLError, text: str) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else _unreadable(text)
    # Never str(error): it quotes the line, which may hold a secret.
    reason = getattr(error, "problem", None) or "a character that YAML does not allow"
    document.refuse(
        f"this is not YAML: {reason} (column {column}).",
        "Check indentation, colons and quotes near this line."
        if mark
        else "Take the control character out.",
        document.place(line, column),
    )


def _unreadable(text: str) -> tuple[int, int]:
    """Return the line and the column of the first character that YAML does not allow."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    before = text[: found.start()] if found else ""
    return before.count("\n") + 1, len(before) - before.rfind("\n")
