"""Every parameter of an environment, and documents in which one of them is wrong."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.effects import leaves
from hxp_enterprise_llm.schemas.environment import Environment

# Names in maps whose keys are names, and the keys of provider ssh.
NAMES = {"hosts": "llm-1", "models": "small"}
SSH = {"user", "port", "identity_file", "bastion"}
WRONG = {"not": ["a", "value", "of", "any", "key"]}
PARAMETERS = sorted({path for path, _ in leaves(Environment)}, key=str)


def named(path: KeyPath) -> KeyPath:
    """Return a path with a name, or a place, for each `*`."""
    return tuple(
        NAMES.get(str(path[index - 1]), 0) if key == "*" else key for index, key in enumerate(path)
    )


def wrong_at(path: KeyPath, value: Any = WRONG) -> dict[str, Any]:
    """Return a document that says a value, by default one that no key has, under a path."""
    document: dict[str, Any] = {
        "schema": 1,
        "provider": {"kind": "ssh" if path[0] == "provider" and path[1] in SSH else "local"},
        "hosts": {"llm-1": {"roles": ["vllm"], "memory": "8GiB"}},
    }
    if path[0] == "waivers":
        return document | {"waivers": [{path[-1]: value}]}
    at: Any = document
    for key, following in pairwise(path):
        if isinstance(at, list):
            at.append({})
        else:
            at.setdefault(key, [] if following == 0 else {})
        at = at[key]
    at[path[-1]] = value
    return document
