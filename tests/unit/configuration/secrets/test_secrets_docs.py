"""What the page on secrets shows runs, and names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from hxp_enterprise_llm.cli.secrets import app
from hxp_enterprise_llm.schemas.reference import SCHEMES
from hxp_enterprise_llm.testing.pages import examples, run_example

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs/concepts/secrets.md").read_text()


def test_the_example_runs_without_a_warning(tmp_path: Path) -> None:
    (example,) = examples(PAGE)
    run_example(example, tmp_path)


def test_each_kind_of_reference_is_in_the_table() -> None:
    assert set(re.findall(r"^\| `(\w+):", PAGE, re.MULTILINE)) == set(SCHEMES)


def test_the_pages_name_commands_that_exist() -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    pages = [PAGE, (ROOT / "docs/how-to/rotate-secrets.md").read_text()]
    named = {name for page in pages for name in re.findall(r"citadel secrets (\w+)", page)}
    assert named <= commands
    assert {"rotate", "rekey", "audit", "doctor", "backup", "restore"} <= named
