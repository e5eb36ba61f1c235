"""Reads the snapshot of vLLM's own argument parser and variables (schemas/vllm_flags.json)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

PACKAGE = "hxp_enterprise_llm.schemas"
FILE = "vllm_flags.json"


@dataclass(frozen=True, slots=True)
class Flag:
    """One argument: `kind` is int, float, str, bool, json or list."""

    kind: str
    choices: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Arguments by their long name with underscores, and names of variables."""

    version: str
    flags: dict[str, Flag]
    environment: frozenset[str]


@cache
def snapshot() -> Snapshot:
    """Return the committed snapshot of the pinned version."""
    return parse(resources.files(PACKAGE).joinpath(FILE).read_text(encoding="utf-8"))


def parse(text: str) -> Snapshot:
    """Return a snapshot from its JSON."""
    data = json.loads(text)
    flags = {
        name: Flag(
            flag["type"],
            tuple(str(choice) for choice in flag["choices"]) if flag.get("choices") else None,
        )
        for name, flag in data["flags"].items()
    }
    return Snapshot(data["version"], flags, frozenset(data["environment"]))
