"""Which key a flag or a variable means, and the value that its text stands for.

`--set models.qwen2.5.weights=1GiB` and `CITADEL_HOSTS__LLM_1__MEMORY=8GiB` say neither where a key
with a dot ends nor whether `_` was a dash: the model and what stands below decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, get_origin

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, KeyPath, Place
from hxp_enterprise_llm.configuration.fields import fields_of, members, models_at
from hxp_enterprise_llm.configuration.merge import merge
from hxp_enterprise_llm.configuration.messages import nearest
from hxp_enterprise_llm.configuration.sources.base import Layer, Setting, put

_LOOSE = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True)
class _Unknown(Exception):  # noqa: N818 - carries what is known instead; nobody else sees it
    index: int
    known: tuple[str, ...]


def settled(layer: Layer, below: dict[str, Any], model: type[BaseModel]) -> Layer:
    """Return a layer whose settings have become data and places.

    Args:
        layer: The layer; its settings go over its own data.
        below: What it will be laid over.
        model: The model of the whole document.
    """
    data: dict[str, Any] = {}
    places: dict[KeyPath, Place] = {}
    problems: list[Diagnostic] = []
    done: dict[KeyPath, Place] = {}
    for setting in layer.settings:
        document = merge(below, data)
        try:
            path = _path(setting, document, model)
        except _Unknown as unknown:
            problems.append(_unknown(setting, unknown))
            continue
        if path in done:
            problems.append(_twice(setting, path, done[path]))
            continue
        value = _value(setting.text, path, model, document)
        put(data, places, path, value, setting.place, below=below)
        done[path] = setting.place
    return replace(
        layer,
        data=merge(layer.data, data),
        places={**layer.places, **places},
        problems=(*layer.problems, *problems),
        settings=(),
    )


def _path(setting: Setting, document: Any, model: type[BaseModel]) -> KeyPath:
    path: KeyPath = ()
    at = 0
    while at < len(setting.parts):
        key, at = _key(setting, at, models_at(model, path, document), _value_at(document, path))
        path = (*path, key)
    return path


def _key(setting: Setting, at: int, kinds: tuple[Any, ...], here: Any) -> tuple[str, int]:
    same: Callable[[str], str] = _loosely if setting.loose else str
    fields = tuple(key for kind in kinds if _is_model(kind) for key in fields_of(kind))
    for field in fields:
        if same(field) == same(setting.parts[at]):
            return field, at + 1
    if not any(get_origin(kind) is dict for kind in kinds):
        raise _Unknown(at, fields)
    # A key of a map may hold the separator itself; the longest that exists is meant.
    for end in range(len(setting.parts), at, -1):
        wanted = setting.separator.join(setting.parts[at:end])
        for key in here if isinstance(here, dict) else ():
            if same(key) == same(wanted):
                return key, end
    return setting.parts[at].lower() if setting.loose else setting.parts[at], at + 1


def _loosely(text: str) -> str:
    return _LOOSE.sub("_", text.lower())


def _value_at(document: Any, path: KeyPath) -> Any:
    for part in path:
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _value(text: str, path: KeyPath, model: type[BaseModel], document: Any) -> Any:
    """Return the value of a text; where only a text is allowed, `1.10` stays one."""
    from hxp_enterprise_llm.configuration.sources.yaml_form import parse_value

    value = parse_value(text)
    kinds = {kind for found in models_at(model, path, document) for kind in members(found)}
    only_text = str in kinds and not kinds & {int, float, bool}
    if only_text and not isinstance(value, str) and (value is not None or type(None) not in kinds):
        return text
    return value


def _unknown(setting: Setting, unknown: _Unknown) -> Diagnostic:
    at = unknown.index
    near = nearest(setting.parts[at].lower() if setting.loose else setting.parts[at], unknown.known)
    what = setting.place.label.partition(" ")[0] or "key"
    return Diagnostic(
        "C003", setting.place, (), f"unknown {what}.", _instead(setting, at, near, unknown.known)
    )


def _instead(setting: Setting, at: int, near: str | None, known: tuple[str, ...]) -> str:
    if near is not None:
        parts = (*setting.parts[:at], near, *setting.parts[at + 1 :])
        return f"Did you mean {_named(setting, parts)}?"
    if not known:
        stop = _named(setting, setting.parts[:at])
        return f"Nothing stands below {stop}: it is a value." if at else "Nothing is known here."
    return f"Known here: {', '.join(_named(setting, (key,), whole=False) for key in known)}."


def _named(setting: Setting, parts: tuple[str, ...], *, whole: bool = True) -> str:
    """Return a name as it would stand in the label of the setting."""
    name = setting.separator.join(parts)
    if setting.loose:
        name = name.upper()
    own = setting.separator.join(setting.parts)
    written = setting.place.label.partition(" ")[2]
    if not whole or not written.lower().endswith(own.lower()):
        return name
    return written[: len(written) - len(own)] + name


def _twice(setting: Setting, path: KeyPath, first: Place) -> Diagnostic:
    return Diagnostic(
        "C002", setting.place, path, f"{first} says the same key.", "Keep one of the two."
    )


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
