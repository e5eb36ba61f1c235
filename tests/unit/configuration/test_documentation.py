"""What the page on configuration shows runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.document import LIMITS
from hxp_enterprise_llm.configuration.phases import Phase
from hxp_enterprise_llm.schemas.effect import Effect
from hxp_enterprise_llm.testing.pages import examples, run_example

PAGE = Path(__file__).resolve().parents[3] / "docs/concepts/configuration.md"


@pytest.mark.feature("UT-04")
def test_the_example_of_a_manager_runs(tmp_path: Path) -> None:
    (example,) = [one for one in examples(PAGE.read_text()) if one.code.startswith("import ")]
    assert run_example(example, tmp_path) == "8000 8001\n"


def test_the_page_names_every_phase_every_effect_and_the_limits() -> None:
    text = PAGE.read_text()
    for phase in Phase:
        assert re.search(rf"^\| .*\b{phase}\b.* \|", text, re.MULTILINE), phase
    for effect in Effect:
        assert f"| `{effect}` |" in text
    assert (LIMITS.size, LIMITS.nodes, LIMITS.depth) == (2**20, 20_000, 64)
    assert "1 MiB (after decompression), 20,000 keys and values and 64 levels" in text
