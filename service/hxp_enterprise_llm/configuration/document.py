"""One YAML file as plain data, with the place of every key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, KeyPath, Place

# The C parser is ten times as fast; wheels of PyYAML carry it, source builds may not.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_NODES = 20_000


@dataclass
class Document:
    """A file's content, where each key stands, and what is wrong with its form."""

    path: Path
    data: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)


def read_document(path: Path) -> Document:
    """Read a YAML file; every fault of its form is in `problems`, none is raised.

    Args:
        path: The file; a missing or unreadable one is a problem too.
    """
    document = Document(path)
    start = Place(path, 1, 1)
    try:
        text = path.read_text(encoding="utf-8")
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            _Reader(document, loader).top(node)
        finally:
            loader.dispose()
    except OSError as error:
        _problem(document, "C001", start, (), f"{error.strerror}.", "Give the path of a file.")
    except UnicodeDecodeError:
        _problem(document, "C001", start, (), "the file is not UTF-8 text.", "Save it as UTF-8.")
    except yaml.YAMLError as error:
        _syntax(document, error)
    return document


class _Reader:
    """Walks composed nodes; PyYAML's own constructor would lose places and duplicate keys."""

    def __init__(self, document: Document, loader: Any) -> None:
        self._document, self._loader = document, loader
        self._active: set[int] = set()
        self._nodes = 0

    def top(self, node: yaml.Node | None) -> None:
        """Fill the document from its root node."""
        if node is None:
            return
        if not isinstance(node, yaml.MappingNode):
            _problem(
                self._document,
                "C001",
                self._place(node),
                (),
                "the document is not a map of keys.",
                "Start with `schema: 1`.",
            )
            return
        self._document.data = self._map(node, ())

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._nodes += 1
        if id(node) in self._active or self._nodes > _MAX_NODES:
            raise yaml.composer.ComposerError(
                None, None, "an alias holds itself, or the document is too big", node.start_mark
            )
        self._active.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._map(node, path)
            if isinstance(node, yaml.SequenceNode):
                return self._list(node, path)
            return self._loader.construct_object(node)
        finally:
            self._active.discard(id(node))

    def _list(self, node: yaml.SequenceNode, path: KeyPath) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            self._document.places[(*path, index)] = self._place(item)
            values.append(self._value(item, (*path, index)))
        return values

    def _map(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, item, key_node in self._pairs(node, path):
            place = self._place(key_node)
            if key in values:
                first = self._document.places[(*path, key)]
                _problem(
                    self._document,
                    "C002",
                    place,
                    (*path, key),
                    f"the key stands twice, first in line {first.line}.",
                    "Keep one of the two.",
                )
                continue
            self._document.places[(*path, key)] = place
            values[key] = self._value(item, (*path, key))
        return values

    def _pairs(
        self, node: yaml.MappingNode, path: KeyPath
    ) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        for key_node, item in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                merge = getattr(key_node, "tag", "") == "tag:yaml.org,2002:merge"
                _problem(
                    self._document,
                    "C001",
                    self._place(key_node),
                    path,
                    "`<<` is not known here." if merge else "a key is not text.",
                    "Use `extends`, or write it out." if merge else "Put the key in quotes.",
                )
                continue
            yield key_node.value, item, key_node

    def _place(self, node: yaml.Node) -> Place:
        mark = node.start_mark
        return Place(self._document.path, mark.line + 1, mark.column + 1)


def _syntax(document: Document, error: yaml.YAMLError) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = Place(document.path, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1)
    # Never str(error): it quotes the line, which may hold a secret.
    reason = getattr(error, "problem", None) or "a character that YAML does not allow"
    _problem(
        document,
        "C001",
        place,
        (),
        f"this is not YAML: {reason} (column {place.column}).",
        "Check indentation, colons and quotes near this line.",
    )


def _problem(
    document: Document, code: str, place: Place, path: KeyPath, message: str, fix: str
) -> None:
    document.problems.append(
        Diagnostic(code=code, place=place, path=path, message=message, fix=fix)
    )
