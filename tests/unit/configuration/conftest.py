"""Environment files in a temporary folder, and what loading says about them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, InvalidEnvironmentError
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment, load
from hxp_enterprise_llm.configuration.sources.memory import MemorySource

TODAY = date(2026, 11, 21)
SHA = "ab" * 32
ENGINE = {"max_model_len": 2048, "kv_cache_memory_bytes": "1G"}
DOCUMENT: dict[str, Any] = {
    "schema": 1,
    "provider": {"kind": "local"},
    "hosts": {
        "llm-1": {"roles": ["vllm"], "memory": "8GiB"},
        "edge-1": {"roles": ["gateway"], "memory": "1GiB"},
    },
    "models": {
        "small": {
            "source": "pypi:small-model==1.0",
            "sha256": SHA,
            "weights": "256MiB",
            "engine": ENGINE,
        }
    },
}

Write = Callable[[str, str], Path]
Judge = Callable[..., list[Diagnostic]]


@pytest.fixture
def source() -> MemorySource:
    """Return what a manager of a `Sample` reads; tests change it."""
    return MemorySource("overrides", {"level": 1}, actor="ann", revision="1")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file below the test's folder; the text may be indented."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return write_file


@pytest.fixture
def accept(write: Write) -> Callable[..., LoadedEnvironment]:
    """Load a valid document with changes under dotted keys."""

    def accepted(changes: dict[str, Any] | None = None) -> LoadedEnvironment:
        return load(str(_changed(write, changes or {})), today=TODAY)

    return accepted


@pytest.fixture
def judge(write: Write) -> Judge:
    """Return all that loading finds in a valid document with changes under dotted keys."""

    def judged(changes: dict[str, Any]) -> list[Diagnostic]:
        try:
            return list(load(str(_changed(write, changes)), today=TODAY).warnings)
        except InvalidEnvironmentError as error:
            return list(error.diagnostics)

    return judged


def _changed(write: Write, changes: dict[str, Any]) -> Path:
    document = deepcopy(DOCUMENT)
    for dotted, value in changes.items():
        section = document
        *parents, last = dotted.split("/")
        for part in parents:
            section = section.setdefault(part, {})
        if value is None:
            section.pop(last, None)
        else:
            section[last] = value
    return write("changed.yaml", yaml.safe_dump(document, sort_keys=False))
