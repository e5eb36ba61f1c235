"""What the page on secrets shows runs, and names what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from hxp_enterprise_llm.cli.secrets import app
from hxp_enterprise_llm.schemas.reference import SCHEMES

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs/concepts/secrets.md").read_text()


def test_the_example_runs_without_a_warning(tmp_path: Path) -> None:
    found = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    (tmp_path / "example.py").write_text(found[1])
    done = subprocess.run(
        [sys.executable, "-W", "error", "example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_each_kind_of_reference_is_in_the_table() -> None:
    assert set(re.findall(r"^\| `(\w+):", PAGE, re.MULTILINE)) == set(SCHEMES)


def test_the_pages_name_commands_that_exist() -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    pages = [PAGE, (ROOT / "docs/how-to/rotate-secrets.md").read_text()]
    named = {name for page in pages for name in re.findall(r"citadel secrets (\w+)", page)}
    assert named <= commands
    assert {"rotate", "rekey", "audit", "doctor", "backup", "restore"} <= named
