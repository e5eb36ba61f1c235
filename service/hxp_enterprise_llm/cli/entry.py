"""The program `citadel`, also where only the library is installed: then it says what is missing."""

from __future__ import annotations

import sys

from hxp_enterprise_llm.core.exceptions import ExitCode


def main() -> None:
    """Run the command line; ends the process with a code of `ExitCode`."""
    try:
        from hxp_enterprise_llm.cli.main import main as command_line
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hxp_enterprise_llm"):
            raise
        sys.stderr.write(
            f"citadel needs {error.name}, which is not installed\n"
            "  Install hxp-enterprise-llm[controller], or run in a checkout: make bootstrap\n"
        )
        sys.exit(ExitCode.REFUSED)
    command_line()
