"""Bars of `make bench`: each one is compared, and a missed one fails the run by name."""

from __future__ import annotations

from pathlib import Path

import bundle
import commands
import config
import memory
import pytest
import run
import up
from figures import Bar, Figure, at_least, at_most, missed, ratio_at_least, save, table


@pytest.mark.parametrize(
    ("ours", "peer", "bar", "met"),
    [
        (30.0, None, at_most(30), True),
        (30.1, None, at_most(30), False),
        (95.0, None, at_least(95), True),
        (94.9, None, at_least(95), False),
        (1.0, 10.0, ratio_at_least(10), True),
        (1.0, 9.9, ratio_at_least(10), False),
        (1.0, None, ratio_at_least(10), False),
        (1e9, None, None, True),
    ],
)
def test_a_bar_is_a_limit_with_a_direction(
    ours: float, peer: float | None, bar: Bar | None, met: bool
) -> None:
    assert Figure("f", "s", ours, "peer", peer, bar).met is met


def test_what_is_below_the_noise_is_shown_so_and_has_no_ratio() -> None:
    small = Figure("role redis", "s", -0.01, "5 tasks", 2.4, floor=0.05)
    assert table([small]).splitlines()[-1] == "| role redis | – | < 0.05 s | 5 tasks | 2.4 s | – |"
    assert small.row()["ratio"] is None


def test_noise_meets_a_ratio_only_as_far_as_its_floor_does() -> None:
    assert Figure("f", "s", 0.0, "peer", 0.5, ratio_at_least(10), 0.05).met
    assert not Figure("f", "s", 0.0, "peer", 0.4, ratio_at_least(10), 0.05).met


def test_every_missed_bar_is_named_with_what_was_measured() -> None:
    figures = [
        Figure("up again", "s", 31.2, "", None, at_most(30)),
        Figure("help", "s", 0.1, "", None, at_most(0.3)),
        Figure("40 files", "s", 2.0, "40 tasks", 10.0, ratio_at_least(10)),
        Figure("hit rate", "%", 94.0, "", None, at_least(95)),
    ]
    assert missed(figures) == [
        "up again: 31.2 s; its bar is ≤ 30 s",
        "40 files: 2 s, 5.0×; its bar is ≥ 10×",
        "hit rate: 94 %; its bar is ≥ 95 %",
    ]


@pytest.mark.parametrize(("again", "code"), [(31.2, 1), (12.0, 0)])
def test_the_run_ends_with_1_when_a_bar_is_missed_and_the_page_is_there(
    again: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def measure(*_: str) -> None:
        save("up", [Figure("up again", "s", again, "", None, at_most(30))])

    monkeypatch.setattr("figures.RESULTS", tmp_path)
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    monkeypatch.setattr(run, "ENVIRONMENT", tmp_path / "bench.yaml")
    monkeypatch.setattr(run, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr("sys.argv", ["run.py"])
    for module in (up, memory, bundle, commands, config):
        monkeypatch.setattr(module, "measure", measure)
    monkeypatch.setattr(up, "citadel", measure)
    with pytest.raises(SystemExit) as ended:
        run.main()
    assert ended.value.code == code
    assert f"| up again | ≤ 30 s | {again:g} s |" in (tmp_path / "benchmarks.md").read_text()
    told = "missed: up again: 31.2 s; its bar is ≤ 30 s\n" if code else ""
    assert capsys.readouterr().err == told


def test_configuration_by_itself_changes_its_section_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure() -> None:
        save("config", [Figure("hit rate", "%", 94.0, "", None, at_least(95))])

    page = tmp_path / "benchmarks.md"
    page.write_text("# Page\n\n## Memory\n\nold\n\n## Configuration\n\nold\n\n## More\n\nold\n")
    monkeypatch.setattr("figures.RESULTS", tmp_path)
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    monkeypatch.setattr(run, "PAGE", page)
    monkeypatch.setattr("sys.argv", ["run.py", "--config"])
    monkeypatch.setattr(config, "measure", measure)
    with pytest.raises(SystemExit) as ended:
        run.main()
    assert ended.value.code == 1
    before, _, after = page.read_text().partition("\n## Configuration\n")
    section, _, rest = after.partition("\n## ")
    assert before == "# Page\n\n## Memory\n\nold\n"
    assert "| hit rate | ≥ 95 % | 94 % |" in section
    assert "old" not in section
    assert rest == "More\n\nold\n"
    assert capsys.readouterr().err == "missed: hit rate: 94 %; its bar is ≥ 95 %\n"
