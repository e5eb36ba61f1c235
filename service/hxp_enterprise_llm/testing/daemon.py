"""Real programs that run beside a test: started, awaited, held up and ended in one way."""

from __future__ import annotations

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.utilities.waiting import awaited

_SHOWN = 3000


class Daemon:
    """One process; all that it writes goes to a file.

    Args:
        folder: For its log; its home, too.
        program: The program.
        arguments: Its arguments.
    """

    def __init__(self, folder: Path, program: Path, *arguments: str) -> None:
        self.name, self._log = program.name, folder / f"{program.name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                (str(program), *arguments),
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"HOME": str(folder), "PATH": os.environ["PATH"]},
            )

    @property
    def log(self) -> str:
        """All that it has written."""
        return self._log.read_text()

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def freeze(self) -> None:
        """Stop it where it is: it takes connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)
        # Its threads end what they do first: a request sent at once could still be answered.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it at once, as a crash does."""
        self._process.kill()
        self._process.wait()


class Served(ABC):
    """A service of one or more daemons, for the block of a `with`.

    Args:
        daemons: In the order of their start; the last one is what clients talk to.
    """

    starts_in = 60.0
    """Seconds until it must be ready."""

    def __init__(self, *daemons: Daemon) -> None:
        self._daemons = daemons

    @abstractmethod
    def set_up(self) -> None:
        """Wait until it is ready, and make what tests need."""

    def __enter__(self) -> Self:
        try:
            self.set_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """All that the last daemon has written."""
        return self._daemons[-1].log

    def freeze(self) -> None:
        """Stop the last daemon where it is: it takes connections and answers nothing."""
        self._daemons[-1].freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self._daemons[-1].thaw()

    def stop(self) -> None:
        """End all daemons; what they held is lost."""
        for daemon in reversed(self._daemons):
            daemon.stop()

    def until(self, look: Callable[[], bool]) -> None:
        """Wait until something holds of the running daemons.

        Args:
            look: Says whether it holds; an answer that does not come counts as "not yet".

        Raises:
            CitadelError: A daemon has ended, or it did not hold in time; the log's end is shown.
        """

        def seen() -> bool:
            try:
                return look()
            except (OSError, CitadelError):
                return False

        def ended() -> bool:
            return not all(daemon.runs for daemon in self._daemons)

        if not awaited(seen, lambda holds: holds or ended(), seconds=self.starts_in):
            name = self._daemons[-1].name
            raise CitadelError(f"{name} did not get ready:\n{self.log[-_SHOWN:]}")
