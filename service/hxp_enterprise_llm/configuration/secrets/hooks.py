"""Programs that renew a secret where it is used: at a provider, in a directory, in an appliance.

A hook gets a fresh random value on standard input, and the environment and the secret's name as
`CITADEL_ENVIRONMENT` and `CITADEL_SECRET`. What it prints is the new value; when it prints nothing,
it took the one that it was given. With another exit code than 0 nothing has changed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from hxp_enterprise_llm.configuration.secrets.errors import SecretError, SecretRefusedError
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.utilities.process import CommandError, run

_SECONDS = 120.0
_PASSED = ("PATH", "HOME", "LANG", "SSH_AUTH_SOCK")
Hook = Callable[[str, str, Secret], Secret]
"""Takes the program, the secret's path and a fresh value; returns the value that counts."""


def checked(program: Path) -> str:
    """Return a hook's absolute path.

    Raises:
        SecretRefusedError: It is no program, or others can write it.
    """
    path = program.absolute()
    if not path.is_file() or not os.access(path, os.X_OK):
        raise SecretRefusedError(
            f"hook {path} is no program that can be run", next_step=f"run: chmod u+x {path}"
        )
    if path.stat().st_mode & 0o022:
        raise SecretRefusedError(
            f"hook {path} can be written by others", next_step=f"run: chmod go-w {path}"
        )
    return str(path)


def command_hook(environment: str, *, timeout: float = _SECONDS) -> Hook:
    """Return what runs hooks as programs.

    Args:
        environment: Name of the environment.
        timeout: Seconds that one may take.
    """

    def renew(program: str, path: str, fresh: Secret) -> Secret:
        variables = {name: os.environ[name] for name in _PASSED if name in os.environ}
        variables |= {"CITADEL_ENVIRONMENT": environment, "CITADEL_SECRET": path}
        try:
            done = run(
                [checked(Path(program))],
                env=variables,
                stdin=fresh.reveal(),
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _failed(program, path, f"did not end within {timeout:g} s") from None
        except (CommandError, OSError, UnicodeDecodeError) as error:
            raise _failed(program, path, f"cannot be run: {type(error).__name__}") from None
        if done.returncode:
            # What it printed may hold the value: it is shown nowhere.
            raise _failed(program, path, f"ended with {done.returncode}")
        printed = done.stdout.removesuffix("\n")
        return Secret(printed) if printed else fresh

    return renew


def _failed(program: str, path: str, how: str) -> SecretError:
    return SecretError(
        f"hook {program} of secret {path} {how}; the value kept here is the old one",
        next_step="Run it by hand with CITADEL_SECRET set: its output is kept out of all logs.",
    )
