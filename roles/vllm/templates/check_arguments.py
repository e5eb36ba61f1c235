"""Let vLLM judge an engine's changed arguments before it is touched; loads no weights.

Runs with the Python of vLLM's environment. An engine that does not run has nothing to lose: there
the health gate judges. Usage: check_arguments.py FILE.yaml NAME=VALUE …
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CURRENT = Path("/opt/citadel/vllm/current")
UNITS = Path("/etc/systemd/system")


def at_stake(file):
    """Tell whether an engine runs with other arguments than those of a file, or another vLLM."""
    unit, applied = f"citadel-vllm@{file.stem}.service", CURRENT / file.name
    if subprocess.run(["systemctl", "is-active", "--quiet", unit], check=False).returncode != 0:
        return False
    same = applied.exists() and applied.read_bytes() == file.read_bytes()
    return not (same and f"{sys.prefix}/" in (UNITS / unit).read_text())


def problem(file):
    """Return what vLLM says against a file, or None."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    try:
        arguments = make_arg_parser(FlexibleArgumentParser()).parse_args(["--config", str(file)])
        validate_parsed_serve_args(arguments)
        AsyncEngineArgs.from_cli_args(arguments).create_engine_config()
    except (SystemExit, Exception) as error:
        return f"{file.name}: {error}"
    return None


def main():
    """Check the file of a running engine under its variables; return what vLLM says against it."""
    file = Path(sys.argv[1])
    if not at_stake(file):
        return None
    os.environ.update(word.split("=", 1) for word in sys.argv[2:])
    with tempfile.TemporaryDirectory() as cache:
        os.environ.update(VLLM_LOGGING_LEVEL="ERROR", VLLM_CACHE_ROOT=cache, HOME=cache)
        return problem(file)


if __name__ == "__main__":
    sys.exit(main())
