"""Which engine is taken, and how one is made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration import toolchain
from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.orchestration.toolchain import digest, make, on_path
from hxp_enterprise_llm.utilities.report import Report


def quiet(text: str) -> None:
    """Report to nobody."""


def program(path: Path, output: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {output}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs with an engine that is new enough, and its language host."""
    program(tmp_path / "bin" / "pulumi", "v3.260.1")
    program(tmp_path / "bin" / "pulumi-language-python")
    return tmp_path


def test_an_engine_on_path_that_is_new_enough_is_taken(machine: Path) -> None:
    found = on_path({"PATH": f"{machine / 'bin'}"}, machine / "cache")
    assert found is not None
    assert (found.version, found.source, found.built) == ("3.260.1", "on PATH", False)
    assert found.pulumi == machine / "bin" / "pulumi"


def test_an_engine_that_is_too_old_is_not_taken(machine: Path) -> None:
    program(machine / "bin" / "pulumi", "v3.226.0")
    assert on_path({"PATH": f"{machine / 'bin'}"}, machine / "cache") is None


def test_an_engine_without_its_python_host_is_not_taken(machine: Path) -> None:
    (machine / "bin" / "pulumi-language-python").unlink()
    assert on_path({"PATH": f"{machine / 'bin'}"}, machine / "cache") is None


def test_an_engine_of_our_own_on_path_is_not_called_the_machines(machine: Path) -> None:
    assert on_path({"PATH": f"{machine / 'bin'}"}, machine) is None


def test_no_engine_on_path_is_no_error(tmp_path: Path) -> None:
    assert on_path({"PATH": str(tmp_path)}, tmp_path / "cache") is None


def test_a_changed_pin_makes_another_engine(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    shutil.copytree(checkout() / "tools", tools)
    before = digest(tools)
    sums = tools / "pulumi" / "go.sum"
    sums.write_text(sums.read_text() + "\n")
    assert digest(tools) != before
    assert digest(checkout() / "tools") == before


def works(work: Path, report: Report) -> None:
    program(work / "bin" / "pulumi", "v3.250.0")
    program(work / "bin" / "pulumi-language-python")


def test_a_made_engine_says_where_it_came_from_and_nothing_else_is_left(tmp_path: Path) -> None:
    make(tmp_path / "made", quiet, works)
    assert (tmp_path / "made" / "source").read_text() == "built from its Go module\n"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("error", [OSError("no route"), CitadelError("no compiler")])
def test_an_engine_that_cannot_be_made_is_an_error_with_its_cause_and_leaves_nothing(
    error: Exception, tmp_path: Path
) -> None:
    def refused(work: Path, report: Report) -> None:
        (work / "half").write_text("never seen")
        raise error

    with pytest.raises(CitadelError, match=f"no Pulumi engine could be had\n{error}"):
        make(tmp_path / "made", quiet, refused)
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_no_hash_pinned_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(toolchain, "from_source", works)
    first = toolchain.ensure(quiet)
    assert first.built
    assert not toolchain.ensure(quiet).built
    (first.folder.parent / "source").write_text("vendor's installer\n")
    assert toolchain.ensure(quiet).built


def test_an_interrupted_make_leaves_no_engine(tmp_path: Path) -> None:
    def killed(work: Path, report: Report) -> None:
        program(work / "bin" / "pulumi", "v3.250.0")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "made", quiet, killed)
    assert not (tmp_path / "made").exists()


def test_what_a_killed_run_had_started_cannot_reach_the_next_engine(tmp_path: Path) -> None:
    works = []

    def killed(work: Path, report: Report) -> None:
        works.append(work)
        raise KeyboardInterrupt

    def made(work: Path, report: Report) -> None:
        assert not works[0].exists()
        assert work != works[0]
        program(work / "bin" / "pulumi", "v3.250.0")

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "made", quiet, killed)
    make(tmp_path / "made", quiet, made)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
