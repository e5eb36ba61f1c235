"""`citadel config migrate`: check, dry run, upgrade, downgrade, history."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.migration import journal
from hxp_enterprise_llm.testing.world import World
from hxp_enterprise_llm.utilities.files import write_atomic

OLD = """\
# A site of old.
integration_services:
  database: {host: 10.0.0.5, password: "${DB}"} # theirs
"""
NEW = """\
# A site of old.
schema: 1
provider:
  kind: ssh
hosts:
  data-1:
    address: 10.0.0.5
    roles: [postgres]
integration_services:
  database: {host: 10.0.0.5, password: "env:DB"} # theirs
"""


@pytest.fixture
def old(world: World) -> Path:
    path = world.file.with_name("old.yaml")
    path.write_text(OLD)
    return path


@pytest.mark.feature("CM-01", "CM-03")
def test_check_ends_with_2_when_a_file_is_of_an_older_version(world: World, old: Path) -> None:
    shown = world.citadel("config", "migrate", "--check", code=2)
    assert "stacks/environments/demo.yaml is of version 1\n" in shown
    assert "stacks/environments/old.yaml: version 0 → 1\n" in shown
    assert world.citadel("config", "migrate", "demo", "--check", code=0)
    assert old.read_text() == OLD


@pytest.mark.feature("CM-01", "CM-03")
def test_a_dry_run_shows_the_difference_and_writes_nothing(world: World, old: Path) -> None:
    shown = world.citadel("config", "migrate", "old", "--dry-run")
    assert '-  database: {host: 10.0.0.5, password: "${DB}"} # theirs' in shown
    assert '+  database: {host: 10.0.0.5, password: "env:DB"} # theirs' in shown
    (plan,) = world.document("config", "migrate", "old", "--dry-run")
    assert (plan["from"], plan["to"], plan["lost"], plan["written"]) == (0, 1, [], False)
    assert plan["steps"][0].startswith("The file says its version;")
    assert plan["diff"] in shown
    assert old.read_text() == OLD


@pytest.mark.feature("CM-01", "CM-03")
def test_up_and_down_and_the_history_of_both(world: World, old: Path) -> None:
    assert "nothing was migrated yet" in world.citadel("config", "migrate", "--history")
    world.citadel("config", "migrate", "old")
    assert old.read_text() == NEW
    (plan,) = world.document("config", "migrate", "old", "--to", "0")
    assert plan["written"] is True
    assert old.read_text() == OLD
    up, down = world.document("config", "migrate", "--history")
    assert (up["from"], up["to"], down["from"], down["to"]) == (0, 1, 1, 0)
    assert (up["outcome"], down["outcome"], up["lost"]) == ("ok", "ok", [])
    assert Path(up["before"]).read_text() == OLD
    assert up["actor"] == f"person:{getpass.getuser()}"
    assert up["file"].endswith("old.yaml")
    lines = world.citadel("config", "migrate", "--history").splitlines()
    assert len(lines) == 3
    assert "0 → 1" in lines[1]


@pytest.mark.feature("CM-01")
def test_a_downgrade_that_loses_keys_asks_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.file.read_text()
    words = ("config", "migrate", "demo", "--to", "0")
    assert "lost: hosts.llm-1.memory has no place in version 0" in world.citadel(
        *words, "--dry-run"
    )
    error = world.document(*words, code=3)["error"]
    assert error["message"].endswith("keys would be lost")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter([False, True])
    monkeypatch.setattr("typer.confirm", lambda *_, **__: next(answers))
    world.citadel(*words, code=1)
    assert world.file.read_text() == before
    world.citadel(*words)
    assert "schema:" not in world.file.read_text()


def test_a_downgrade_with_yes_does_not_ask(world: World) -> None:
    (plan,) = world.document("config", "migrate", "demo", "--to", "0", "--yes")
    assert plan["written"] is True
    assert "hosts.llm-1.roles" in plan["lost"]


def test_a_secret_in_clear_is_in_no_difference_and_no_document(world: World, old: Path) -> None:
    canary = "hunter2SECRETCANARY"
    gateway = f"infrastructure_services:\n  api_gateway: {{key: {canary}}} # {canary}\n"
    old.write_text(f"schema: 1\nprovider: {{kind: local}}\n{gateway}")
    for output in ("text", "json"):
        words = ("config", "migrate", "old", "--to", "0", "--dry-run", "--output", output)
        shown = world.citadel(*words)
        assert canary not in shown
        assert "api_gateway: {key: [redacted]}" in shown


@pytest.mark.feature("CM-01", "CM-03")
def test_a_file_goes_down_and_up_with_what_it_extends(world: World, old: Path) -> None:
    base = old.with_name("ground.yaml")
    base.write_text("schema: 1\nprovider: {kind: local}\n")
    old.write_text("# Ours.\nschema: 1\nextends: ground\nmodels: {}\nperformance_targets: {}\n")
    before = (base.read_text(), old.read_text())
    world.citadel("config", "migrate", "old", "--to", "0", "--yes")
    assert "schema" not in base.read_text() + old.read_text()
    shown = world.citadel("config", "migrate", "old", "--check", code=2)
    assert "ground.yaml: version 0 → 1\n" in shown
    assert "old.yaml: version 0 → 1\n" in shown
    world.citadel("config", "migrate", "old")
    assert (base.read_text(), old.read_text()) == before


@pytest.mark.feature("CM-01", "CM-03")
def test_what_a_killed_migration_left_is_put_back_first_and_a_look_changes_nothing(
    world: World, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = old.with_name("ground.yaml")
    base.write_text(OLD)
    old.write_text("extends: ground\nperformance_targets: {}\n")

    def killed(target: Path, content: bytes, *, mode: int) -> None:
        if target == base:
            raise KeyboardInterrupt
        write_atomic(target, content, mode=mode)

    with monkeypatch.context() as dying:
        dying.setattr(journal, "write_atomic", killed)
        world.citadel("config", "migrate", "old", code=130)
    half = old.read_text()
    assert "schema: 1" in half
    world.citadel("config", "migrate", "old", "--check", code=2)
    assert old.read_text() == half
    assert "old.yaml is put back" in world.citadel("config", "migrate", "old")
    assert "schema: 1" in base.read_text()
    assert "schema: 1" in old.read_text()


@pytest.mark.feature("CM-01")
def test_a_newer_version_is_refused_and_named(world: World, old: Path) -> None:
    old.write_text("schema: 9\n")
    error = world.document("config", "migrate", "old", "--check", code=3)["error"]
    assert error["code"] == "migration.unknown-version"
    assert error["message"] == (
        "stacks/environments/old.yaml is of version 9; this citadel knows versions 0 to 1"
    )


@pytest.mark.feature("CM-03")
def test_an_older_file_is_validated_with_a_warning_of_its_version(world: World, old: Path) -> None:
    (found,) = world.document("config", "validate", "old", code=3)
    warnings = [item["code"] for item in found["findings"] if item["severity"] == "warning"]
    assert warnings == ["C009"]
