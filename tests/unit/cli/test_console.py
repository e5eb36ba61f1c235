"""Phases as people read them in a pipe."""

from __future__ import annotations

import io
import os
import pty
import re
import termios
import threading
from collections.abc import Iterator

import pytest

from hxp_enterprise_llm.cli.console import Phases, duration, print_warnings


class Terminal(io.StringIO):
    """Keeps what is written to a terminal; `drawn` is set by the fifth line."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor, self._lines, self.drawn = descriptor, 0, threading.Event()

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def write(self, text: str) -> int:
        self._lines += 1
        if self._lines == 5:
            self.drawn.set()
        return super().write(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (12.3, "12 s"), (60, "1 m 00 s"), (211, "3 m 31 s")]
)
def test_durations_read_as_people_write_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_phase_prints_its_number_its_reports_and_its_end() -> None:
    stream = io.StringIO()
    phases = Phases(["hosts", "converge"], before=2, stream=stream)
    with phases.phase("converge") as phase:
        phase.report("base on llm-1")
        phase.done("8 roles on 4 hosts", unchanged=True)
    lines = stream.getvalue().splitlines()
    assert lines[0] == " 4/4 converge     base on llm-1"
    assert lines[1].startswith(" 4/4 converge     = 8 roles on 4 hosts")
    assert "converge" in phases.seconds


def test_a_failing_phase_says_so_and_lets_the_error_through() -> None:
    stream = io.StringIO()
    with pytest.raises(RuntimeError), Phases(["hosts"], before=0, stream=stream).phase("hosts"):
        raise RuntimeError
    assert " 1/1 hosts        failed" in stream.getvalue()


def test_an_interrupted_phase_is_not_called_failed() -> None:
    stream = io.StringIO()
    with (
        pytest.raises(KeyboardInterrupt) as caught,
        Phases(["hosts"], before=0, stream=stream).phase("hosts"),
    ):
        raise KeyboardInterrupt
    assert " 1/1 hosts        interrupted" in stream.getvalue()
    assert "failed" not in stream.getvalue()
    assert caught.value.__notes__ == ["phase hosts"]


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal of 30 columns; standard output is none."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 30))
    with Terminal(theirs) as stream:
        yield stream
    os.close(theirs)
    os.close(ours)


def test_on_a_terminal_one_line_is_written_over_and_cut_to_its_width(terminal: Terminal) -> None:
    stream = terminal
    with Phases(["hosts"], before=0, stream=stream).phase("hosts") as phase:
        phase.report("host llm-1: waiting for its ssh to answer")
        phase.done("llm-1")
    shown = stream.getvalue().split("\r\x1b[2K")[1:]
    assert shown[1] == " 1/1 hosts        host llm-1:"
    assert shown[2].startswith(" 1/1 hosts        llm-1")
    assert stream.getvalue().count("\n") == 1


def clocks() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "clock"]


def test_on_a_terminal_the_time_goes_on_while_nothing_is_reported(terminal: Terminal) -> None:
    phases = Phases(["hosts"], before=0, stream=terminal, tick=0.01)
    with phases.phase("hosts") as phase:
        phase.report("data")
        assert terminal.drawn.wait(10)
    lines = terminal.getvalue().split("\r\x1b[2K")[1:]
    assert len(lines) >= 5
    assert [line.split("  ")[0] for line in lines[1:-1]] == [" 1/1 hosts"] * (len(lines) - 2)
    assert all(re.search(r" data  \d\.\d s$", line) for line in lines[1:-1])
    # The clock stops with its phase.
    assert not clocks()
    assert lines[-1].endswith(" s\n")


def test_a_pipe_gets_a_line_for_each_report_and_no_clock() -> None:
    stream = io.StringIO()
    phases = Phases(["hosts"], before=0, stream=stream, tick=0.001)
    with phases.phase("hosts") as phase:
        phase.report("llm-1")
        assert not clocks()
    assert stream.getvalue().count("\n") == 2


def test_warnings_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_warnings(["host llm-1: its disk is small"])
    assert capsys.readouterr() == ("", "! host llm-1: its disk is small\n")
