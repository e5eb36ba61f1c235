"""The one place that starts a subprocess and waits for it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError


class CommandError(CitadelError):
    """A command ended with a code that was not expected; keeps its output."""

    def __init__(self, command: Sequence[str], code: int, output: str, *, next_step: str) -> None:
        tail = "\n".join(output.strip().splitlines()[-20:])
        super().__init__(
            f"`{' '.join(command)}` ended with {code}:\n{tail}",
            next_step=next_step,
        )
        self.command, self.code, self.output = tuple(command), code, output


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
    check: bool = True,
    next_step: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return it with stdout and stderr as text.

    Args:
        command: Program and arguments; never a shell line, never a secret.
        env: The whole environment of the child; inherited when not given.
        cwd: Folder to run in.
        stdin: Text to feed it.
        timeout: Seconds after which it is killed.
        check: Raise when the code is not 0.
        next_step: What the operator should do when it fails.

    Raises:
        CommandError: It ended with another code than 0 and `check` is set, or was not found.
    """
    try:
        done = subprocess.run(
            list(command),
            env=None if env is None else dict(env),
            cwd=cwd,
            input=stdin,
            timeout=timeout,
            check=False,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        raise CommandError(command, 127, str(error), next_step=next_step) from error
    if check and done.returncode != 0:
        raise CommandError(command, done.returncode, done.stdout + done.stderr, next_step=next_step)
    return done
