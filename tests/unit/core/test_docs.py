"""What the page on the core shows runs and prints what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs/concepts/core.md"


@pytest.mark.feature("CO-13")
def test_the_example_prints_what_the_page_says(tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```\n\nprints `(.*?)`", PAGE.read_text(), re.DOTALL)
    assert found is not None
    (tmp_path / "example.py").write_text(found[1])
    done = subprocess.run(
        [sys.executable, "-W", "error", "example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.stdout) == ("", f"{found[2]}\n")


@pytest.mark.feature("CO-07", "CO-13")
@pytest.mark.parametrize("page", ["core.md", "versions.md"])
def test_names_that_the_pages_show_exist(page: str) -> None:
    text = (PAGE.parent / page).read_text()
    source = "".join(
        file.read_text()
        for part in ("core", "utilities", "schemas", "testing")
        for file in (PAGE.parents[2] / "service/hxp_enterprise_llm" / part).rglob("*.py")
    )
    for name in re.findall(r"`(?:self\.)?@?([A-Za-z_]\w+)(?:\(.*?\))?`", text):
        if name not in ("name", "code", "domain", "traceparent", "resources", "call", "docs"):
            assert re.search(rf"\b{name}\b", source), name
