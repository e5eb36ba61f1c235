"""For tests of what must stay secret or whole: canaries, damage, permissions."""

from __future__ import annotations

import base64
import io
import logging
import stat
import traceback
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hxp_enterprise_llm.configuration.secrets.secret import Secret

_PRIVATE = 0o077


class Canary:
    """A value that must show up nowhere, in no form that gives it away.

    Args:
        value: The value; long enough to stand nowhere by chance.
    """

    def __init__(self, value: str = "canary-8d1f-4b77-do-not-show") -> None:
        self.value = value
        encoded = value.encode()
        self._forms = {
            "as it is": value,
            "as base64": base64.b64encode(encoded).decode().rstrip("="),
            "as base64 for URLs": base64.urlsafe_b64encode(encoded).decode().rstrip("="),
            "as hex": encoded.hex(),
            "as repr": repr(value)[1:-1],
            "as part of a URL": urllib.parse.quote(value, safe=""),
        }

    @property
    def secret(self) -> Secret:
        """Return the value as secrets are handed on."""
        return Secret(self.value)

    def forms_in(self, text: str) -> list[str]:
        """Return the forms that a text has it in."""
        return [name for name, form in self._forms.items() if form in text]

    def expect_hidden(self, *said: object) -> None:
        """Demand that it is in none of what was said.

        Args:
            said: Texts, bytes, files, errors (with traceback and attributes), any object (as
                `str` and `repr` show it).

        Raises:
            AssertionError: It is; the text says in which, and does not repeat it.
        """
        for number, one in enumerate(said, start=1):
            forms = self.forms_in(_text(one))
            if forms:
                raise AssertionError(
                    f"{type(one).__name__}, number {number} of {len(said)}, has the canary "
                    f"{' and '.join(forms)}"
                )


def _text(said: object) -> str:
    if isinstance(said, str):
        return said
    if isinstance(said, bytes):
        return said.decode("utf-8", "replace")
    if isinstance(said, Path):
        return said.read_bytes().decode("utf-8", "replace")
    shown = f"{said} {said!r}"
    if isinstance(said, BaseException):
        shown += "".join(traceback.format_exception(said)) + str(vars(said))
    return shown


@contextmanager
def overheard() -> Iterator[io.StringIO]:
    """Take down all that loggers of all libraries say in the block, at their most talkative."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, before = logging.StreamHandler(stream), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def damaged(content: bytes, *, step: int = 1) -> Iterator[tuple[int, bytes]]:
    """Yield a content once for each of its bytes, with one bit of that byte turned over.

    Args:
        content: What is whole.
        step: Take each so manieth byte only.

    Yields:
        The byte's place, and the damaged content.
    """
    for place in range(0, len(content), step):
        wrong = bytearray(content)
        wrong[place] ^= 1 << (place % 8)
        yield place, bytes(wrong)


def expect_private(path: Path) -> None:
    """Demand that nobody but its owner can read, write or enter a path.

    Raises:
        AssertionError: Others can.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _PRIVATE:
        raise AssertionError(f"{path} has mode {mode:04o}: others than its owner can use it")
