"""Rotation each day and at a size; retention by number and by age."""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING

import pytest

from hxp_enterprise_llm.testing.clock import Clock
from hxp_enterprise_llm.utilities.logfiles import RotatingLogFile
from hxp_enterprise_llm.utilities.logging import LogFile

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.feature("UT-02")

DAY = 86_400
NOON = 20_000 * DAY + DAY // 2


def write(handler: RotatingLogFile, text: str) -> None:
    handler.emit(logging.LogRecord("x", logging.INFO, "x", 1, text, None, None))


def opened(
    path: Path, clock: Clock, *, size: int = 10_000, files: int = 3, days: int = 30
) -> RotatingLogFile:
    return RotatingLogFile(path, max_bytes=size, keep_files=files, keep_days=days, clock=clock)


def test_a_file_is_rotated_before_it_grows_beyond_its_size(tmp_path: Path) -> None:
    path, clock = tmp_path / "citadel.log", Clock(float(NOON))
    handler = opened(path, clock, size=100)
    os.utime(path, (clock.now, clock.now))
    for number in range(40):
        write(handler, f"line {number:02}")
    handler.close()
    kept = sorted(file.name for file in tmp_path.iterdir())
    assert kept == ["citadel.log", "citadel.log.1", "citadel.log.2", "citadel.log.3"]
    assert all(file.stat().st_size <= 100 for file in tmp_path.iterdir())
    assert path.read_text().splitlines()[-1] == "line 39"


def test_a_new_day_begins_a_new_file(tmp_path: Path) -> None:
    path, clock = tmp_path / "citadel.log", Clock(float(NOON))
    handler = opened(path, clock)
    write(handler, "monday")
    clock.now += DAY
    write(handler, "tuesday")
    handler.close()
    assert path.read_text() == "tuesday\n"
    assert (tmp_path / "citadel.log.1").read_text() == "monday\n"


def test_a_restart_on_another_day_begins_a_new_file(tmp_path: Path) -> None:
    path, clock = tmp_path / "citadel.log", Clock(float(NOON))
    path.write_text("monday\n")
    os.utime(path, (clock.now - DAY, clock.now - DAY))
    handler = opened(path, clock)
    write(handler, "tuesday")
    handler.close()
    assert (tmp_path / "citadel.log.1").read_text() == "monday\n"


def test_a_restart_on_the_same_day_goes_on_in_the_file(tmp_path: Path) -> None:
    path, clock = tmp_path / "citadel.log", Clock(float(NOON))
    path.write_text("morning\n")
    os.utime(path, (clock.now - 60, clock.now - 60))
    handler = opened(path, clock)
    write(handler, "noon")
    handler.close()
    assert path.read_text() == "morning\nnoon\n"


def test_rotated_files_that_are_too_old_are_removed(tmp_path: Path) -> None:
    path, clock = tmp_path / "citadel.log", Clock(float(NOON))
    for number, days in ((1, 6), (2, 8), (3, 40)):
        old = tmp_path / f"citadel.log.{number}"
        old.write_text("old\n")
        os.utime(old, (clock.now - days * DAY, clock.now - days * DAY))
    handler = opened(path, clock, files=5, days=7)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["citadel.log", "citadel.log.1"]
    clock.now += 3 * DAY
    write(handler, "later")
    handler.close()
    assert "old\n" not in [file.read_text() for file in tmp_path.iterdir()]


def test_only_the_services_group_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "citadel.log"
    opened(path, Clock(float(NOON))).close()
    assert stat.S_IMODE(path.stat().st_mode) & ~0o640 == 0


def test_half_a_character_does_not_break_the_log(tmp_path: Path) -> None:
    path = tmp_path / "citadel.log"
    handler = opened(path, Clock(float(NOON)))
    write(handler, "lone \udc80")
    handler.close()
    assert path.read_text() == "lone \\udc80\n"


def test_defaults_keep_two_weeks_of_files_and_a_month_at_most(tmp_path: Path) -> None:
    file = LogFile(path=tmp_path / "citadel.log")
    assert (file.max_size, file.keep_files, file.keep_days) == (50 * 2**20, 14, 30)
