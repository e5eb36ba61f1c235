"""What is left of a document without its refused keys, so that rules still judge the rest.

What a refused key would have said is not known, and a rule may hang on it: which hosts have a role,
which provider makes them. So there are two remainders, one without any such role and one with all
of them; what the rules find in both does not hang on the refused key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from copy import deepcopy
from datetime import date
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, ValidationError

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.fields import field_at
from hxp_enterprise_llm.configuration.merge import pruned, value_at
from hxp_enterprise_llm.configuration.messages import nearest, path_of
from hxp_enterprise_llm.schemas.environment import Environment
from hxp_enterprise_llm.schemas.hosts import MOST_MEMORY, RoleName

# Stand-ins for required values; nothing that rules find about them is shown.
_STAND_INS: tuple[Any, ...] = (MOST_MEMORY, 1, "0" * 64, "file:stand-in", "stand-in", ())
_ROLES: tuple[str, ...] = get_args(RoleName)
_PROVIDERS: tuple[dict[str, Any], ...] = (
    {"kind": "local"},
    {"kind": "ssh", "user": "stand-in", "identity_file": "stand-in"},
)


def remainders(data: dict[str, Any], refused: Collection[KeyPath]) -> tuple[Environment, ...]:
    """Return the environments less their refused keys; none when too little is left to judge."""
    if () in refused:
        return ()
    removed = {_without_index(path) for path in refused if not _is_role(path)}
    found = []
    for every in (False, True):
        left = dict(pruned(deepcopy(data), removed))
        _stand_in_hosts(left, data, refused, every=every)
        if {("provider",), ("provider", "kind")} & set(refused):
            left["provider"] = dict(_PROVIDERS[every])
        if every:
            left["waivers"] = [*left.get("waivers", ()), *_waivers(data, refused)]
        environment = _environment(left)
        if environment is not None:
            found.append(environment)
    return tuple(found) if len(found) == 2 else ()


def _environment(left: dict[str, Any]) -> Environment | None:
    try:
        return Environment.model_validate(left)
    except ValidationError as error:
        for item in error.errors(include_input=False):
            if not _stand_in(left, path_of(item, left)):
                return None
    try:
        return Environment.model_validate(left)
    except ValidationError:
        return None


def _without_index(path: KeyPath) -> KeyPath:
    """Return the path of the list's item that a key stands in: items go as a whole."""
    for length, part in enumerate(path, start=1):
        if isinstance(part, int):
            return path[:length]
    return path


def _is_role(path: KeyPath) -> bool:
    return path[:1] == ("hosts",) and path[2:3] == ("roles",)


def _stand_in_hosts(
    left: dict[str, Any], data: dict[str, Any], refused: Collection[KeyPath], *, every: bool
) -> None:
    """Give each host whose roles are not known none or all; keep the order, which places models."""
    unknown = list(_ROLES) if every else []
    if ("hosts",) in refused:
        left["hosts"] = {"stand-in": {"roles": unknown, "memory": MOST_MEMORY}}
        return
    hosts: dict[str, Any] = {}
    for number, name in enumerate(data["hosts"]):
        if ("hosts", name) in refused:
            hosts[f"stand-in-{number}"] = {"roles": unknown, "memory": MOST_MEMORY}
            continue
        hosts[name] = left["hosts"][name]
        if any(_is_role(path) and path[1] == name for path in refused):
            hosts[name]["roles"] = _roles(hosts[name].get("roles"), unknown)
    left["hosts"] = hosts


def _roles(written: Any, unknown: list[str]) -> list[str]:
    """Return the roles that are known or nearly so, and the stand-ins for those that are not."""
    texts = [item for item in written if isinstance(item, str)] if isinstance(written, list) else []
    meant = [nearest(text, _ROLES) for text in texts]
    known = [role for role in meant if role is not None]
    if known and isinstance(written, list) and len(known) == len(written):
        return known
    return list(dict.fromkeys([*known, *unknown]))


def _waivers(data: dict[str, Any], refused: Collection[KeyPath]) -> Iterator[dict[str, Any]]:
    """Yield waivers in the place of refused ones that say what they except."""
    for index in sorted({path[1] for path in refused if path[:1] == ("waivers",) and path[1:]}):
        written = data["waivers"][index]
        keys = {"rule", "path"} if isinstance(written, dict) else set()
        if keys and not any(("waivers", index, key) in refused for key in keys):
            kept = {key: written[key] for key in keys}
            yield {**kept, "reason": "a stand-in's reason", "until": date.max}


def _stand_in(data: dict[str, Any], path: KeyPath) -> bool:
    field = field_at(Environment, path, data)
    if field is None:
        return False
    kind: Any = field.annotation
    if field.metadata:
        kind = Annotated[kind, *field.metadata]
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    for value in _STAND_INS:
        try:
            adapter.validate_python(value, strict=True)
        except ValidationError:
            continue
        value_at(data, path[:-1])[path[-1]] = value
        return True
    return False
