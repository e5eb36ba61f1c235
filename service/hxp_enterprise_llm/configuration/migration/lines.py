"""Carries what changed between two texts over to a third that says the first in other lines.

A dumper writes YAML its own way. Lines that a change does not touch stay as people wrote them, with
their indentation, blanks and line ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|$)")
_KEYED = re.compile(r"( *[^\s:#'\"{\[][^:#]*:)( +)(?=\S)")
_COMMENTED = re.compile(r"(.*?\S)( +)(#.*)")

Line = tuple[str, str]
"""A line without its end, and the end."""
Block = tuple[int, int, Sequence[Line]]
"""Lines of the dump from one number to another, and how people wrote them."""


def lines_of(text: str) -> list[Line]:
    """Return the lines of a text, each with the end that it has: CRLF, CR, LF or none."""
    found = [(match[1], match[2]) for match in _LINE.finditer(text)]
    return found[:-1] if found[-1] == ("", "") else found


def plain_ends(text: str) -> str:
    """Return a text whose lines end in LF."""
    return "".join(f"{line}\n" if end else line for line, end in lines_of(text))


def with_ends(text: str, like: str) -> str:
    """Return a text whose lines end in what most lines of another end in."""
    return plain_ends(text).replace("\n", _end(lines_of(like)))


def carried(written: str, dumped: str, changed: str) -> str:
    """Return `written` with the change from `dumped` to `changed`.

    Args:
        written: A text as people wrote it.
        dumped: What a dumper makes of it.
        changed: What the same dumper makes of other data.
    """
    before, after = _bare(dumped), _bare(changed)
    carrier = _Carrier(before, lines_of(written))
    out: list[Line] = []
    for tag, start, stop, first, last in _opcodes(before, after):
        if tag == "equal":
            out += carrier.kept(start, stop)
        elif stop - start == last - first:
            out += [carrier.adapted(start + n, after[first + n]) for n in range(stop - start)]
        else:
            out += [(text, carrier.end) for text in after[first:last]]
    # A last line without an end may have others behind it now.
    closed = [(text, was or carrier.end) for text, was in out[:-1]]
    return "".join(f"{text}{was}" for text, was in (*closed, *out[-1:]))


class _Carrier:
    """Knows which lines of a dump are which as written.

    Args:
        before: The dump.
        lines: As written.
    """

    def __init__(self, before: Sequence[str], lines: Sequence[Line]) -> None:
        self.end = _end(lines)
        self._before = before
        self._blocks = list(_blocks(before, lines))

    def kept(self, start: int, stop: int) -> Iterator[Line]:
        """Yield lines of the dump as they were written; as dumped where a block is cut."""
        left = []
        for block in self._blocks:
            low, high, lines = block
            if start <= low and high <= stop:
                yield from lines
                continue
            left.append(block)
            cut = self._before[max(low, start) : min(high, stop)]
            yield from ((text, self.end) for text in cut)
        # What stands between two lines of the dump belongs to both: it is written once.
        self._blocks = left

    def adapted(self, number: int, text: str) -> Line:
        """Return a changed line with the indentation, gap and end that the old one had."""
        own = (number, number + 1)
        lines = next((lines for low, high, lines in self._blocks if (low, high) == own), ())
        if len(lines) != 1:
            return text, self.end
        (old, end), dumped = lines[0], self._before[number]
        if _indent(dumped) == _indent(text):
            text = _indent(old) + text.lstrip(" ")
        return _spaced(old, text), end


def _end(lines: Sequence[Line]) -> str:
    ends = [end for _, end in lines if end]
    return max(sorted(set(ends)), key=ends.count, default="\n")


def _bare(text: str) -> list[str]:
    return [line for line, _ in lines_of(text)]


def _opcodes(old: Sequence[str], new: Sequence[str]) -> Sequence[Any]:
    return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def _blocks(before: Sequence[str], lines: Sequence[Line]) -> Iterator[Block]:
    """Yield which lines of the dump are which as written; one by one as far as that is known."""
    for _, start, stop, first, last in _opcodes(before, [text for text, _ in lines]):
        if stop - start == last - first:
            for number in range(stop - start):
                yield start + number, start + number + 1, lines[first + number : first + number + 1]
        else:
            yield start, stop, lines[first:last]


def _spaced(old: str, text: str) -> str:
    """Return a changed line with the blanks of the old one: behind its key, its value, its end."""
    was, now = _KEYED.match(old), _KEYED.match(text)
    if was and now and was[1] == now[1]:
        text = f"{was[1]}{was[2]}{text[now.end() :]}"
    was, now = _COMMENTED.fullmatch(old), _COMMENTED.fullmatch(text)
    if was and now and was[3] == now[3]:
        text = f"{now[1]}{was[2]}{now[3]}"
    return text.rstrip(" ") + old[len(old.rstrip(" ")) :]


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]
