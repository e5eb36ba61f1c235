"""`python -m hxp_enterprise_llm.gateway`: the entry on hosts, where only this package is."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, serve or check, and return an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m hxp_enterprise_llm.gateway", description="Serve the gateway."
    )
    parser.add_argument("--config", type=Path, required=True, help="path of gateway.yaml")
    parser.add_argument("--worker", type=_number, default=1, help="number of this worker, from 1")
    parser.add_argument("--check", action="store_true", help="only validate the file")
    given = parser.parse_args(arguments)
    try:
        return serve(given.config, worker=given.worker, check=given.check)
    except CitadelError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("write a number from 1")
    return int(text)


def serve(config: Path, *, worker: int, check: bool) -> int:
    """Validate a configuration file and, unless it is only a check, serve until told to stop.

    Raises:
        RefusedError: The file is not valid.
        CitadelError: The key is missing, or a port is taken.
    """
    if check:
        from hxp_enterprise_llm.gateway.config import load

        load(config)
        return 0
    # It waits for the worker to hear it; until then it would end the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    import uvloop

    from hxp_enterprise_llm.gateway.process import run
    from hxp_enterprise_llm.utilities.logging import LoggingSettings, configure

    with closing(configure(LoggingSettings())) as logging:
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(run(config, worker, logging))
    return 0


if __name__ == "__main__":
    sys.exit(main())
