"""`python -m hxp_enterprise_llm.orchestration.artifacts lock|flags`: for who changes our locks.

`lock` writes the locks of our own services from uv.lock; `flags` asks the locked vLLM for its
arguments and writes schemas/vllm_flags.json.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.artifacts.flags import SNAPSHOT, flags
from hxp_enterprise_llm.orchestration.artifacts.own_wheel import LOCKS, lock
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.utilities.files import write_atomic


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


FILES: Mapping[str, Mapping[str, Callable[[Path], str]]] = {
    "lock": {path: partial(lock, name=name) for name, path in LOCKS.items()},
    "flags": {SNAPSHOT: lambda _: flags(_say)},
}


def main(arguments: list[str]) -> int:
    """Write the file that was asked for; return the exit code."""
    if len(arguments) != 1 or arguments[0] not in FILES:
        _say((__doc__ or "").splitlines()[0])
        return 1
    for path, made in FILES[arguments[0]].items():
        try:
            write_atomic(checkout() / path, made(checkout()))
        except CitadelError as error:
            _say(str(error))
            return int(error.exit_code)
        sys.stdout.write(f"wrote {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
