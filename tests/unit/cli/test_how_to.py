"""The how-tos of configuration, command by command, in a checkout of its own."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hxp_enterprise_llm.cli.main import run
from hxp_enterprise_llm.testing.world import World

PAGES = Path(__file__).parents[3] / "docs" / "how-to"
FENCE = re.compile(r"^```(?:sh|console)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
# Commands that ask first, and those that end with another code than 0.
ASKS = ("config rollback", "--to 0")
ENDS = {"config diff": 2}


def commands(page: str) -> list[str]:
    blocks = FENCE.findall((PAGES / page).read_text())
    lines = [
        re.split("  #| > ", line)[0].strip() for block in blocks for line in block.splitlines()
    ]
    return [line for line in lines if line.startswith("citadel ")]


@pytest.mark.feature("CM-03")
@pytest.mark.parametrize(
    "page", ["migrate-configuration.md", "roll-back-configuration.md", "report-on-configuration.md"]
)
def test_every_command_of_a_guide_runs_in_its_order(
    world: World, page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for seconds in (101, 102, 103, 104):
        text = re.sub(r"workers: 1.*}", f"workers: 1, timeout: {seconds}}}", world.file.read_text())
        world.file.write_text(text)
        world.citadel("up", "demo")
    # The newest revision of the guide, 4, is the file's, so that the two diffs show something.
    assert len(commands(page)) >= 5
    for command in commands(page):
        words = ["demo" if word == "local" else word for word in shlex.split(command)[1:]]
        if any(part in command for part in ASKS):
            words.append("--yes")
        wanted = next((code for part, code in ENDS.items() if part in command), 0)
        ended, shown = run(words), capsys.readouterr()
        assert ended == wanted, f"{command}: {ended}\n{shown.out}{shown.err}"
