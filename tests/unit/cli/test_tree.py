"""What holds for every command, however deep: it is found by walking the tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from hxp_enterprise_llm.cli import main

# Commands without `--output`, and why.
TEXT_ONLY = {
    "ssh": "what it prints is the host's",
    "serve gateway": "runs until it is stopped; its log is JSON already",
    "serve configuration": "runs until it is stopped; its log is JSON already",
}


def leaves() -> dict[str, Any]:
    """Return every command that does something, by the words that call it."""
    found: dict[str, Any] = {}
    for noun in main.NOUNS:
        group: Any = typer.main.get_command(main.build([noun]))
        found |= dict(below(noun, group.commands[noun]))
    return found


def below(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name, child in command.commands.items():
        yield from below(f"{words} {name}", child)


LEAVES = leaves()


def test_the_walk_finds_commands_of_both_levels() -> None:
    assert {"up", "artifacts gc", "hosts down", "config schema"} <= set(LEAVES)


@pytest.mark.parametrize("words", LEAVES)
def test_every_command_takes_output_but_those_named(words: str) -> None:
    options = {name for option in LEAVES[words].params for name in option.opts}
    assert ("--output" in options) != (words in TEXT_ONLY)


@pytest.mark.parametrize("words", LEAVES)
def test_every_command_has_help_with_an_example_of_itself(words: str) -> None:
    assert f"citadel {words} " in LEAVES[words].help


def test_the_exceptions_are_commands() -> None:
    assert set(TEXT_ONLY) <= set(LEAVES)


@pytest.mark.parametrize("words", ["artifacts lock", "artifacts flags"])
def test_what_only_maintainers_need_is_no_command(words: str) -> None:
    assert words not in LEAVES
