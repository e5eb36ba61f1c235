"""`python -m hxp_enterprise_llm.orchestration.artifacts lock|flags`: for who changes our locks.

`lock` writes locks/pylock.gateway.toml from uv.lock; `flags` asks the locked vLLM for its arguments
and writes schemas/vllm_flags.json.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.artifacts.flags import SNAPSHOT, flags
from hxp_enterprise_llm.orchestration.artifacts.own_wheel import GATEWAY_LOCK, gateway_lock
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.utilities.files import write_atomic


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


FILES: Mapping[str, tuple[str, Callable[[Path], str]]] = {
    "lock": (GATEWAY_LOCK, gateway_lock),
    "flags": (SNAPSHOT, lambda _: flags(_say)),
}


def main(arguments: list[str]) -> int:
    """Write the file that was asked for; return the exit code."""
    if len(arguments) != 1 or arguments[0] not in FILES:
        _say((__doc__ or "").splitlines()[0])
        return 1
    path, made = FILES[arguments[0]]
    try:
        write_atomic(checkout() / path, made(checkout()))
    except CitadelError as error:
        _say(str(error))
        return int(error.exit_code)
    sys.stdout.write(f"wrote {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
