"""The one place that starts a subprocess and waits for it."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError, FaultDomain

_TAIL_LINES = 200
_GRACE_SECONDS = 30.0
_inherited: ContextVar[tuple[int, ...]] = ContextVar("inherited", default=())


class CommandError(CitadelError):
    """A command ended with a code that was not expected; keeps its exit status and output."""

    code = "command.failed"
    domain = FaultDomain.HOST

    def __init__(self, command: Sequence[str], status: int, output: str, *, next_step: str) -> None:
        tail = "\n".join(output.strip().splitlines()[-20:])
        super().__init__(
            f"`{' '.join(command)}` ended with {status}:\n{tail}",
            next_step=next_step,
        )
        self.command, self.status, self.output = tuple(command), status, output


@contextmanager
def inherited(descriptor: int) -> Iterator[None]:
    """Let every child that starts within hold an open file too, until it ends itself.

    Args:
        descriptor: The open file, such as one whose lock must outlive a killed parent.
    """
    token = _inherited.set((*_inherited.get(), descriptor))
    try:
        yield
    finally:
        _inherited.reset(token)


def own(program: str) -> str:
    """Return the path of a program that the locked Python environment brings."""
    return str(Path(sys.executable).with_name(program))


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
            pass_fds=_inherited.get(),
        )
    except FileNotFoundError as error:
        raise CommandError(command, 127, str(error), next_step=next_step) from error
    if check and done.returncode != 0:
        raise CommandError(command, done.returncode, done.stdout + done.stderr, next_step=next_step)
    return done


def stream(
    command: Sequence[str],
    on_line: Callable[[str], None],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    next_step: str = "",
) -> None:
    """Run a command to its end and hand each line that it prints (stderr too) to `on_line`.

    Args:
        command: Program and arguments; never a shell line, never a secret.
        on_line: Takes a line without its end, as soon as it is printed.
        env: The whole environment of the child; inherited when not given.
        cwd: Folder to run in.
        next_step: What the operator should do when it fails.

    Raises:
        CommandError: It ended with another code than 0, or was not found.
    """
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    try:
        child = subprocess.Popen(
            list(command),
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=_inherited.get(),
        )
    except FileNotFoundError as error:
        raise CommandError(command, 127, str(error), next_step=next_step) from error
    with child:
        try:
            for line in child.stdout or ():
                tail.append(line)
                on_line(line.rstrip("\n"))
        except BaseException:
            _end(child)
            raise
    if child.returncode != 0:
        raise CommandError(command, child.returncode, "".join(tail), next_step=next_step)


def _end(child: subprocess.Popen[str]) -> None:
    """Give a child time for a safe point (it saw the same Ctrl-C), then stop it."""
    child.terminate()
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
