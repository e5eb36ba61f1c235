"""A throw-away server on a staged configuration, for validators that have no other way to judge it.

A bundle that needs it puts it into its tree, beside the validator that imports it.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_PAUSE_SECONDS = 0.05


def as_user(name: str) -> tuple[str, ...]:
    """Return the words before a command that let it run as a service's user."""
    return ("setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups", "--")


def attempt(
    command: Sequence[str], log: Path, verdict: Callable[[], str | None], seconds: float
) -> str:
    """Start a server, wait for a verdict, end the server.

    Args:
        command: The server, in the foreground.
        log: Where its output goes.
        verdict: Returns what is wrong, nothing when all is well, None while it cannot tell.
        seconds: How long it may take.

    Returns:
        What is wrong, with the server's own words; nothing when all is well.
    """
    with log.open("w+") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, cwd="/")
        try:
            problem = _wait(server, verdict, seconds)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()
        output.seek(0)
        return f"{problem}\n{output.read()}" if problem else ""


def _wait(
    server: subprocess.Popen[bytes], verdict: Callable[[], str | None], seconds: float
) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            return "the server does not start on the staged configuration"
        found = verdict()
        if found is not None:
            return found
        time.sleep(_PAUSE_SECONDS)
    return f"the server did not start within {seconds:.0f} s"


def judge(trial: Callable[[Path], str], user: str) -> None:
    """Try the staged tree that the first argument names; exit with what is wrong.

    Args:
        trial: Gets a folder of the user's own, with a copy of the tree in `tree`.
        user: Name of the service's user.
    """
    work = Path(tempfile.mkdtemp(prefix=f"{user}-"))
    try:
        shutil.chown(work, user, user)
        shutil.copytree(sys.argv[1], work / "tree")
        problem = trial(work)
    except subprocess.CalledProcessError as error:
        problem = str(error)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if problem:
        sys.exit(problem)
