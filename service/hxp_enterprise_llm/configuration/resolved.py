"""The whole document as it counts: defaults and derived keys filled in, secrets as references."""

from __future__ import annotations

from typing import Any

from hxp_enterprise_llm.configuration.derived import Derived, derived
from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.schemas.environment import Environment


def resolved(name: str, environment: Environment) -> dict[str, Any]:
    """Return plain data with every key of an environment."""
    document: dict[str, Any] = environment.model_dump(mode="json", by_alias=True)
    for item in derived(name, environment):
        section = document
        for part in item.path[:-1]:
            section = section[str(part)]
        section[str(item.path[-1])] = item.value
    version = document["engine"].get("version")
    document["engine"]["version"] = version or _locked_version()
    return document


def derivations(name: str, environment: Environment) -> dict[KeyPath, Derived]:
    """Return the derived keys by their paths."""
    found = {item.path: item for item in derived(name, environment)}
    path: KeyPath = ("engine", "version")
    found[path] = Derived(path, _locked_version(), "the lock of vLLM in locks/")
    return found


def _locked_version() -> str | None:
    from hxp_enterprise_llm.configuration.locks import lock_versions

    return next(iter(lock_versions().values()), None)
