"""Rewrites a YAML text so that it says other data, with its comments, order and style."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from hxp_enterprise_llm.configuration.document import LIMITS, Document
from hxp_enterprise_llm.configuration.migration.lines import carried, plain_ends, with_ends
from hxp_enterprise_llm.configuration.sources.yaml_form import parse_yaml

_MARK = "\ufeff"
_DASH_BELOW_KEY = re.compile(r"^( *)[^\s#-][^\n]*:[ ]*(?:#[^\n]*)?\n\1- ", re.MULTILINE)


class _Representer(RoundTripRepresenter):
    """Writes null as `null`: a key with nothing behind it looks like a mistake."""

    def none(self, _value: None) -> ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _Representer.none)


def rewritten(text: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return a text that says `new`; what is the same in both stays as it is written.

    Comments, order, quotes, anchors, blank lines, line ends and a byte order mark stay.

    Args:
        text: A YAML text.
        old: What it says.
        new: What it shall say.
    """
    mark = _MARK if text.startswith(_MARK) else ""
    text = text.removeprefix(_MARK)
    plain = plain_ends(text)
    dumped, changed = _dumped(plain, old, old), _dumped(plain, old, new)
    made = carried(text, dumped, changed)
    if said(made) != new:
        # Lines of two ways of indenting do not go together: the dumper's alone then.
        made = with_ends(carried(plain, plain, changed), text)
    return mark + made


def said(text: str) -> dict[str, Any] | None:
    """Return what a YAML text says; None when it cannot be read."""
    read = Document(Path())
    parse_yaml(read, text, LIMITS)
    return None if read.problems else read.data


def _dumped(text: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.width = 10**6
    yaml.explicit_start = text.startswith("---")
    if not _DASH_BELOW_KEY.search(text):
        yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    _change(document, old, new)
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _change(document: CommentedMap, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for key in [key for key in old if key not in new]:
        _remove(document, key)
    for index, (key, value) in enumerate(new.items()):
        if key not in old:
            document.insert(index, key, _styled(value))
        elif isinstance(value, Mapping) and isinstance(old[key], Mapping):
            _change(document[key], old[key], value)
        elif value != old[key]:
            document[key] = _styled(value)


def _remove(document: CommentedMap, key: str) -> None:
    """Take a key out; comments behind it, which speak of the next key, go to that."""
    keys = list(document)
    later = keys[keys.index(key) + 1 :]
    comment = _behind(document, key)
    del document[key]
    if comment and later:
        document.yaml_set_comment_before_after_key(later[0], before=comment)


def _behind(document: Any, key: Any) -> str:
    """Return the comment lines that follow a key's value, below the value's own line."""
    value = document[key]
    if isinstance(value, CommentedMap) and value and not value.fa.flow_style():
        return _behind(value, list(value)[-1])
    if isinstance(value, CommentedSeq) and value and not value.fa.flow_style():
        return _behind(value, len(value) - 1)
    tokens = document.ca.items.get(key) or ()
    text = "".join(token.value for token in tokens if token is not None and hasattr(token, "value"))
    # A line of blanks is no comment; the rest of the value's own line goes with the value.
    lines = [line.strip() for line in text.split("\n")[1:]]
    return "\n".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))


def _styled(value: Any) -> Any:
    """Return a new value as people write it: maps in blocks, lists of words in one line."""
    if isinstance(value, Mapping):
        return CommentedMap({key: _styled(below) for key, below in value.items()})
    if isinstance(value, list):
        made = CommentedSeq(value)
        made.fa.set_flow_style()
        return made
    return value
