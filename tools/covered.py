"""`make coverage`: the lines and the branches that tests reached, each held to its bar.

coverage's own `fail_under` adds both up, so that many lines would hide missed branches.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

BAR = 95.0


def shares(totals: Mapping[str, float]) -> dict[str, float]:
    """Return the percentages of lines and branches from the totals of `coverage json`."""
    found = {
        "lines": ("covered_lines", "num_statements"),
        "branches": ("covered_branches", "num_branches"),
    }
    return {
        name: 100 * totals[reached] / totals[there] if totals[there] else 100.0
        for name, (reached, there) in found.items()
    }


def main(file: str) -> int:
    """Print both percentages; return 1 when one is not above the bar."""
    found = shares(json.loads(Path(file).read_text())["totals"])
    for name, share in found.items():
        sys.stdout.write(f"{name}: {share:.2f} % (bar: more than {BAR:g} %)\n")
    return 0 if all(share > BAR for share in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
