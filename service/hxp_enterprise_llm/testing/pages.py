"""Pages of documentation: their examples are run as a reader runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_EXAMPLE = re.compile(r"^```python\n(.*?)^```(?:\n\nprints `(.*?)`)?", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A piece of Python of a page.

    Attributes:
        code: The code.
        prints: What the page says that it prints; None where it says nothing.
    """

    code: str
    prints: str | None = None


def examples(page: str) -> list[Example]:
    """Return the examples of a page: each block of Python, and the "prints `…`" behind it."""
    found = _EXAMPLE.finditer(page)
    return [Example(match[1], match[2]) for match in found]


def run_example(example: Example, folder: Path) -> str:
    """Run an example in a process of its own and return what it printed.

    Args:
        example: The example; a warning is an error in it.
        folder: Where it runs; an empty one.

    Raises:
        AssertionError: It failed, said something on standard error, or printed something else than
            the page says.
    """
    (folder / "example.py").write_text(example.code)
    done = subprocess.run(
        [sys.executable, "-W", "error", "example.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or done.stderr:
        raise AssertionError(f"the example ended with {done.returncode}:\n{done.stderr}")
    if example.prints is not None and done.stdout != f"{example.prints}\n":
        raise AssertionError(f"the page says {example.prints!r}, it printed {done.stdout!r}")
    return done.stdout
