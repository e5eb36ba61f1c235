"""What people see: phases with a live line on a terminal, plain lines elsewhere, tables, JSON."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import StrEnum
from typing import Any, Self, TextIO

import typer

from hxp_enterprise_llm.utilities.report import Report


class Output(StrEnum):
    """Forms that a command prints in."""

    TEXT = "text"
    JSON = "json"


OutputOption = typer.Option("--output", help="text for people, json for programs.")


def only_form(form: StrEnum | None, output: Output) -> str:
    """Return the form to print in.

    Args:
        form: What `--format` says, if it was given.
        output: What `--output` says.

    Raises:
        UsageError: `--output json` stands beside another form: its output is one JSON document.
    """
    if form is not None and output is Output.JSON and form != Output.JSON:
        raise typer.BadParameter(
            f"--output json is one JSON document, --format {form} is not: give one of the two"
        )
    return str(form or output)


def progress_stream(output: Output) -> TextIO:
    """Return where progress goes: with JSON, standard output is for the document alone."""
    return sys.stderr if output is Output.JSON else sys.stdout


def duration(seconds: float) -> str:
    """Return seconds as people write them: `0.4 s`, `12 s`, `3 m 31 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest:02d} s" if minutes else f"{rest} s"


def print_json(data: Any) -> None:
    """Print one JSON document on stdout."""
    typer.echo(json.dumps(data, indent=2, default=str))


def print_warnings(warnings: Sequence[str]) -> None:
    """Print what people must know of a thing that went well, on standard error."""
    for warning in warnings:
        typer.echo(f"! {warning}", err=True)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings; columns are aligned, nothing is cut off in a pipe."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    table = Table(*headings, box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)


class Phase:
    """One numbered step: takes reports while it runs, then one closing line."""

    def __init__(self, live: Report) -> None:
        self._live = live
        self.summary = ""
        self.unchanged = False

    def report(self, text: str) -> None:
        """Show what the phase does now."""
        self._live(text)

    def done(self, summary: str, *, unchanged: bool = False) -> None:
        """Set the closing line; `unchanged` marks it with `=`."""
        self.summary, self.unchanged = summary, unchanged


class Ticking:
    """Calls something again and again from a thread, until the end of a block.

    Args:
        act: What to call.
        every: Seconds between two calls.
    """

    def __init__(self, act: Callable[[], None], every: float) -> None:
        self._act, self._every, self._ended = act, every, threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            self._act()


class Phases:
    """Prints numbered phases to a stream; knows the time that each took.

    On a terminal the line of the running phase is drawn anew each second, with the time so far.

    Args:
        names: All phases, in order.
        before: How many numbered phases somebody else has printed already.
        stream: Where to print; standard error when JSON goes to standard output.
        tick: Seconds between two drawings of a line that has nothing new to say.
    """

    def __init__(
        self, names: Sequence[str], *, before: int, stream: TextIO, tick: float = 1.0
    ) -> None:
        self._names, self._before, self._stream = tuple(names), before, stream
        self._terminal, self._tick = stream.isatty(), tick
        self._drawing, self._last = threading.Lock(), "…"
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Run one phase; an error or Ctrl-C closes its line, takes its name along and goes on."""
        started = time.monotonic()
        phase = Phase(lambda text: self._show(name, text, started))
        self._show(name, "…", started)
        try:
            with self._clock(name, started):
                yield phase
        except BaseException as error:
            error.add_note(f"phase {name}")
            stopped = isinstance(error, KeyboardInterrupt)
            self._close(name, "interrupted" if stopped else "failed", started)
            raise
        self._close(name, ("= " if phase.unchanged else "") + phase.summary, started)

    def _clock(self, name: str, started: float) -> AbstractContextManager[object]:
        if not self._terminal:
            return nullcontext()
        return Ticking(lambda: self._show(name, self._last, started), self._tick)

    def _head(self, name: str) -> str:
        number = self._before + self._names.index(name) + 1
        return f"{number:>2}/{self._before + len(self._names)} {name:<12}"

    def _show(self, name: str, text: str, started: float) -> None:
        with self._drawing:
            self._last = text
            if self._terminal:
                line = f"{self._head(name)} {text}  {duration(time.monotonic() - started)}"
                # Of the stream's own terminal: standard output may be a file.
                width = os.get_terminal_size(self._stream.fileno()).columns - 1
                self._stream.write("\r\x1b[2K" + line[:width])
            elif text != "…":
                self._stream.write(f"{self._head(name)} {text}\n")
            self._stream.flush()

    def _close(self, name: str, text: str, started: float) -> None:
        self.seconds[name] = time.monotonic() - started
        start = "\r\x1b[2K" if self._terminal else ""
        self._stream.write(
            f"{start}{self._head(name)} {text:<58} {duration(self.seconds[name]):>9}\n"
        )
        self._stream.flush()
