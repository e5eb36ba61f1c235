"""Programs that run beside tests: awaited, held up, and ended whatever happens."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.testing.daemon import Daemon, Served

pytestmark = pytest.mark.feature("UT-08", "UT-10")


class Script(Served):
    """A Python script that is ready when it has written `ready`."""

    def __init__(self, folder: Path, script: str) -> None:
        self.daemon = Daemon(folder, Path(sys.executable), "-u", "-c", script)
        super().__init__(self.daemon)

    def set_up(self) -> None:
        self.until(lambda: "ready" in self.log)

    def lines(self) -> int:
        return self.log.count("\n")


COUNTS = "print('ready')\nimport time\nwhile True: print('line'); time.sleep(0.01)"


def test_it_is_awaited_held_up_and_ended(tmp_path: Path) -> None:
    with Script(tmp_path, COUNTS) as script:
        script.freeze()
        held = script.lines()
        assert [script.lines() for _ in range(1000)] == [held] * 1000
        script.freeze()
        script.thaw()
        script.until(lambda: script.lines() > held)
        assert script.daemon.runs
    assert not script.daemon.runs
    assert script.log.startswith("ready\n")


def test_one_that_is_held_up_ends_with_its_block(tmp_path: Path) -> None:
    with Script(tmp_path, COUNTS) as script:
        script.freeze()
    assert not script.daemon.runs


def test_one_that_ends_before_it_is_ready_shows_its_log_at_once(tmp_path: Path) -> None:
    script = Script(tmp_path, "raise SystemExit('no room')")
    with pytest.raises(CitadelError, match=r"did not get ready:\nno room"), script:
        pass


def test_one_that_is_not_ready_in_time_is_ended(tmp_path: Path) -> None:
    script = Script(tmp_path, "print('starting'); import time; time.sleep(60)")
    script.starts_in = 0.5
    with pytest.raises(CitadelError, match="did not get ready"), script:
        pass
    assert not script.daemon.runs


def test_an_answer_that_does_not_come_counts_as_not_yet(tmp_path: Path) -> None:
    looks = 0

    def look() -> bool:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise ConnectionRefusedError
        if looks == 2:
            raise CitadelError("not yet")
        return True

    with Script(tmp_path, COUNTS) as script:
        script.until(look)
    assert looks == 3
