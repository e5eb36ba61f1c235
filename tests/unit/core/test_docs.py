"""What the page on the core shows runs and prints what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hxp_enterprise_llm.testing.pages import examples, run_example

PAGE = Path(__file__).resolve().parents[3] / "docs/concepts/core.md"


@pytest.mark.feature("CO-13")
def test_the_example_prints_what_the_page_says(tmp_path: Path) -> None:
    (example,) = [one for one in examples(PAGE.read_text()) if one.prints is not None]
    assert run_example(example, tmp_path) == "Good day, Ada\n"


@pytest.mark.feature("CO-07", "CO-13")
@pytest.mark.parametrize("page", ["core.md", "versions.md"])
def test_names_that_the_pages_show_exist(page: str) -> None:
    text = (PAGE.parent / page).read_text()
    source = "".join(
        file.read_text()
        for part in ("core", "utilities", "schemas", "testing", "orchestration")
        for file in (PAGE.parents[2] / "service/hxp_enterprise_llm" / part).rglob("*.py")
    )
    for name in re.findall(r"`(?:self\.)?@?([A-Za-z_]\w+)(?:\(.*?\))?`", text):
        if name not in ("name", "code", "domain", "traceparent", "resources", "call", "docs"):
            assert re.search(rf"\b{name}\b", source), name
