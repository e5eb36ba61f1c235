"""The page on testing: its examples run, and it names every module there is."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest

from hxp_enterprise_llm import testing
from hxp_enterprise_llm.testing.fakes import FAKES
from hxp_enterprise_llm.testing.pages import Example, examples, run_example

PAGE = (Path(__file__).parents[3] / "docs/reference/testing.md").read_text()
EXAMPLES = examples(PAGE)


@pytest.mark.feature("UT-08", "UT-09", "UT-10")
@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_prints_what_the_page_says(example: Example, tmp_path: Path) -> None:
    printed = run_example(example, tmp_path)
    assert printed == ("" if example.prints is None else f"{example.prints}\n")


@pytest.mark.feature("UT-08", "UT-09", "UT-10")
def test_every_module_is_in_the_table_and_no_other() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", PAGE.partition("## Data")[0], re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    there = {one.name for one in pkgutil.iter_modules(testing.__path__)}
    assert set(named) == there


@pytest.mark.feature("UT-08")
def test_every_fake_is_in_the_table_with_its_contract() -> None:
    for one in FAKES:
        assert f"| `{one.fake.__name__}` | `{one.contract.__name__}` |" in PAGE


def test_an_example_that_says_something_else_fails(tmp_path: Path) -> None:
    (found,) = examples("```python\nprint(1)\n```\n\nprints `2`\n")
    with pytest.raises(AssertionError, match=r"the page says '2', it printed '1\\n'"):
        run_example(found, tmp_path)
    with pytest.raises(AssertionError, match="ended with 1"):
        run_example(Example("raise SystemExit(1)"), tmp_path)
    with pytest.raises(AssertionError, match="UserWarning"):
        run_example(Example("import warnings\nwarnings.warn('old')"), tmp_path)
