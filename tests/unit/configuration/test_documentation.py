"""What the page on configuration shows runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.document import LIMITS
from hxp_enterprise_llm.configuration.phases import Phase
from hxp_enterprise_llm.schemas.effect import Effect

PAGE = Path(__file__).resolve().parents[3] / "docs/concepts/configuration.md"


@pytest.mark.feature("UT-04")
def test_the_example_of_a_manager_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(import .*?)```", PAGE.read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "8000 8001\n"), done.stderr


def test_the_page_names_every_phase_every_effect_and_the_limits() -> None:
    text = PAGE.read_text()
    for phase in Phase:
        assert re.search(rf"^\| .*\b{phase}\b.* \|", text, re.MULTILINE), phase
    for effect in Effect:
        assert f"| `{effect}` |" in text
    assert (LIMITS.size, LIMITS.nodes, LIMITS.depth) == (2**20, 20_000, 64)
    assert "1 MiB (after decompression), 20,000 keys and values and 64 levels" in text
