"""`python -m hxp_enterprise_llm.configuration.generate [--check]`: what `make generate` runs."""

from __future__ import annotations

import sys

from hxp_enterprise_llm.configuration.generate import stale, write
from hxp_enterprise_llm.orchestration.paths import checkout


def main(arguments: list[str]) -> int:
    """Write what is stale, or with `--check` only name it; return the exit code."""
    root = checkout()
    if "--check" in arguments:
        files = stale(root)
        if files:
            text = "\n  ".join(files)
            sys.stderr.write(f"stale generated files:\n  {text}\nrun: make generate\n")
        return 1 if files else 0
    for path in write(root):
        sys.stdout.write(f"wrote {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
