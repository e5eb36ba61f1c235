"""Following a subprocess line by line."""

from __future__ import annotations

import sys

import pytest

from hxp_enterprise_llm.utilities.process import CommandError, stream


def test_lines_of_both_streams_arrive_in_order() -> None:
    lines: list[str] = []
    program = "import sys; print('one', flush=True); print('two', file=sys.stderr)"
    stream((sys.executable, "-c", program), lines.append)
    assert lines == ["one", "two"]


def test_a_failure_keeps_the_end_of_the_output() -> None:
    with pytest.raises(CommandError, match="why") as caught:
        stream((sys.executable, "-c", "print('why'); raise SystemExit(4)"), lambda _: None)
    assert caught.value.status == 4


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(CommandError, match="no-such-program"):
        stream(("no-such-program",), lambda _: None)


def test_the_child_ends_when_its_reader_fails() -> None:
    def refuse(line: str) -> None:
        raise ValueError(line)

    program = "import time; print('x', flush=True); time.sleep(600)"
    with pytest.raises(ValueError, match="x"):
        stream((sys.executable, "-c", program), refuse)
