"""Whatever stands in a file, loading ends in an environment or in a list of errors."""

from __future__ import annotations

import random
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hxp_enterprise_llm.configuration.diagnostics import InvalidEnvironmentError
from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.orchestration.paths import checkout

SAMPLES = ("onprem", "local")
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 10**30, float("inf"), float("nan"), "", "x", "8GiB", "30s", "2026-01-01",
    "generated:x", [], {}, [1, {}], {"a": 1}, ["vllm"], {"kind": "ssh"}, "ü" * 40,
)  # fmt: skip
KEYS = ("zzz", "port", "kind", "tls", "engine", "roles", "ü", "schema")


@given(st.sampled_from(SAMPLES), st.integers(0, 2**32), st.integers(1, 4))
def test_loading_a_damaged_file_never_ends_in_a_traceback(
    sample: str, seed: int, damages: int
) -> None:
    luck = random.Random(seed)
    path = checkout() / "stacks" / "environments" / f"{sample}.yaml"
    document = yaml.safe_load(path.read_text())
    del document["extends"]
    for _ in range(damages):
        _damage(document, luck)
    _load(yaml.safe_dump(document, allow_unicode=True))


@given(st.text(max_size=200))
def test_loading_any_text_ends_in_errors_with_a_place(text: str) -> None:
    found = _load(text)
    assert found is not None
    assert all(diagnostic.place.line >= 1 and diagnostic.fix for diagnostic in found.diagnostics)


@pytest.mark.parametrize(
    "text", ["schema: 1\nhosts: {a: &a {b: *a}}\n", "? [a]\n: b\n", "--- 1\n--- 2\n"]
)
def test_odd_yaml_is_refused(text: str) -> None:
    assert _load(text) is not None


def _load(text: str) -> InvalidEnvironmentError | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.yaml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            load(str(path))
        except InvalidEnvironmentError as error:
            return error
    return None


def _damage(document: Any, luck: random.Random) -> None:
    spots = list(_spots(document))
    holder, key = luck.choice(spots) if spots else (document, "schema")
    action = luck.random()
    if action < 0.2 and isinstance(holder, dict):
        holder[luck.choice(KEYS)] = deepcopy(luck.choice(ODD))
    elif action < 0.4 and isinstance(holder, dict):
        holder.pop(key, None)
    else:
        holder[key] = deepcopy(luck.choice(ODD))


def _spots(data: Any) -> Any:
    items: Any = data.items() if isinstance(data, dict) else ()
    items = enumerate(data) if isinstance(data, list) else items
    for key, value in list(items):
        yield data, key
        yield from _spots(value)
