"""`python -m hxp_enterprise_llm.configuration.service`: the entry on hosts."""

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
        prog="python -m hxp_enterprise_llm.configuration.service",
        description="Serve configuration.",
    )
    parser.add_argument("--config", type=Path, required=True, help="path of configuration.yaml")
    parser.add_argument("--check", action="store_true", help="only validate the file")
    parser.add_argument("--open", type=Path, help="write what a sealed backup holds to stdout")
    parser.add_argument("--restore", type=Path, help="put a backup back into the store")
    given = parser.parse_args(arguments)
    try:
        if given.restore is not None:
            return restore(given.config, given.restore)
        if given.open is not None:
            return open_sealed(given.config, given.open)
        return serve(given.config, check=given.check)
    except CitadelError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def serve(config: Path, *, check: bool) -> int:
    """Validate a configuration file and, unless it is only a check, serve until told to stop.

    Raises:
        CitadelError: The file is not valid, a credential is missing, or the port is taken.
    """
    from hxp_enterprise_llm.configuration.service.config import load

    if check:
        asyncio.run(load(config))
        return 0
    # It waits for the service to hear it; until then it would end the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    import uvloop

    from hxp_enterprise_llm.configuration.service.process import run
    from hxp_enterprise_llm.utilities.logging import LoggingSettings, configure

    with closing(configure(LoggingSettings())) as logging:
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(run(config, logging.redactor))
    return 0


def open_sealed(config: Path, backup: Path) -> int:
    """Write the archive that a sealed backup holds to standard output.

    Raises:
        CitadelError: The file or the backup is not valid, or a credential is missing.
    """
    from hxp_enterprise_llm.configuration.service.backups import open_backup
    from hxp_enterprise_llm.configuration.service.config import load, sealing_of
    from hxp_enterprise_llm.core.exceptions import RefusedError

    settings = asyncio.run(load(config))
    keys = sealing_of(settings)
    if keys is None:
        raise RefusedError(
            f"{config} names no `sealing`, so nothing is sealed",
            next_step="Give the configuration that the backup was made with.",
        )
    sys.stdout.buffer.write(open_backup(keys, settings.environment, backup))
    return 0


def restore(config: Path, backup: Path) -> int:
    """Put the revisions of a backup that are missing back into the store, and say how many.

    Raises:
        CitadelError: The file or the backup is not valid, or a credential is missing.
    """
    from hxp_enterprise_llm.configuration.service import config as configured
    from hxp_enterprise_llm.configuration.service.errors import here
    from hxp_enterprise_llm.configuration.service.restoring import Restorer

    async def restored() -> str:
        settings = await configured.load(config)
        restorer = Restorer(
            settings.environment,
            configured.backend_of(settings),
            Path(settings.state),
            configured.signer_of(settings),
            configured.sealing_of(settings),
        )
        done = await restorer.restore(backup)
        return f"document {done.key} · restored {done.number} · newest {done.newest}\n"

    try:
        sys.stdout.write(asyncio.run(restored()))
    except CitadelError as error:
        raise here(error) from None
    return 0


if __name__ == "__main__":
    sys.exit(main())
