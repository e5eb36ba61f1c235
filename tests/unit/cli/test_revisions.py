"""`citadel up` keeps revisions; history, diff, rollback, backup and restore work on them."""

from __future__ import annotations

import asyncio
import getpass
import json
import re
from pathlib import Path

import pytest

from hxp_enterprise_llm.cli.main import run
from hxp_enterprise_llm.configuration.revisions.local import local_revisions
from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.testing.world import World


def edit(world: World, old: str, new: str) -> None:
    text = world.file.read_text()
    assert old in text
    world.file.write_text(text.replace(old, new))


def records(world: World) -> list[Path]:
    return sorted((world.file.parents[2] / ".citadel" / "demo" / "revisions").glob("*.json"))


@pytest.fixture
def applied(world: World) -> World:
    """Bring `demo` up twice: with one time for requests, then with another."""
    world.citadel("up", "demo")
    edit(world, "workers: 1}", "workers: 1, timeout: 200} # less")
    world.citadel("up", "demo", "--reason", "300 was long")
    return world


@pytest.mark.feature("CL-06", "CH-03")
def test_up_keeps_a_revision_with_actor_and_reason(applied: World) -> None:
    newest, oldest = applied.document("config", "history", "demo")
    assert (oldest["number"], oldest["reason"]) == (1, "citadel up")
    assert (newest["number"], newest["reason"]) == (2, "300 was long")
    assert newest["actor"] == f"person:{getpass.getuser()}"
    assert newest["parent"] == oldest["hash"]
    shown = applied.citadel("config", "history", "demo").splitlines()
    assert [line.split()[0] for line in shown] == ["revision", "2", "1"]
    assert shown[1].endswith("300 was long")
    assert len(applied.citadel("config", "history", "demo", "--limit", "1").splitlines()) == 2


def test_up_with_nothing_changed_keeps_no_other_revision(applied: World) -> None:
    applied.citadel("up", "demo")
    assert len(applied.document("config", "history", "demo")) == 2


def test_before_the_first_up_there_is_no_history(world: World) -> None:
    assert "nothing was applied yet" in world.citadel("config", "history", "demo")
    assert world.document("config", "history", "demo") == []


@pytest.mark.feature("CL-06")
def test_an_environment_without_backup_enabled_keeps_no_revision(world: World) -> None:
    edit(world, "  api_gateway:", "  configuration: {backup_enabled: false}\n  api_gateway:")
    world.citadel("up", "demo")
    assert records(world) == []


def test_a_revision_holds_no_secret(applied: World) -> None:
    found = re.search(r"key  (ck_\S+)", applied.citadel("up", "demo"))
    assert found is not None
    content = b"".join(path.read_bytes() for path in records(applied))
    assert b"generated:gateway/key" in content
    assert found[1].encode() not in content


def test_a_history_that_was_tampered_with_is_told_by_up_and_refused_by_the_others(
    applied: World,
) -> None:
    newest = records(applied)[-1]
    newest.write_bytes(newest.read_bytes().replace(b"300 was long", b"somebody els"))
    edit(applied, "timeout: 200", "timeout: 250")
    assert applied.citadel("up", "demo")
    for words in (["history", "demo"], ["diff", "demo", "2"], ["rollback", "demo", "2", "--yes"]):
        error = applied.document("config", *words, code=3)["error"]
        assert error["code"] == "revision.tampered"
        assert error["message"].startswith("revision 2 of ")


def test_up_says_when_no_revision_could_be_kept(
    applied: World, capsys: pytest.CaptureFixture[str]
) -> None:
    records(applied)[-1].write_bytes(b"{}")
    assert run(["up", "demo"]) == 0
    told = capsys.readouterr().err
    assert "! no revision was kept: revision 2 of " in told
    assert "citadel config restore" in told


@pytest.mark.feature("CH-03")
def test_diff_shows_what_differs_with_its_effect(applied: World) -> None:
    path = "infrastructure_services.api_gateway.timeout"
    assert applied.citadel("config", "diff", "demo", "1", "2", code=2) == (
        f"{path}: 300.0 → 200.0 (drain)\n"
    )
    (change,) = applied.document("config", "diff", "demo", "1", code=2)
    assert change == {"path": path, "old": 300.0, "new": 200.0, "effect": "drain", "secret": False}
    assert applied.citadel("config", "diff", "demo", "2") == "nothing differs\n"
    assert applied.document("config", "diff", "demo", "file", "2") == []


def test_diff_of_what_is_no_revision_is_refused(applied: World) -> None:
    error = applied.document("config", "diff", "demo", "first", code=3)["error"]
    assert error["message"] == "first is no revision"
    unknown = applied.document("config", "diff", "demo", "9", code=3)["error"]
    assert (unknown["code"], unknown["next_step"]) == ("revision.unknown", "There are 1 to 2.")


@pytest.mark.feature("CM-02", "CH-03")
def test_rollback_writes_the_file_as_it_was_and_up_makes_it_a_revision(applied: World) -> None:
    shown = applied.citadel("config", "rollback", "demo", "1", "--yes")
    assert (
        "-  api_gateway: {workers: 1, timeout: 200} # less\n+  api_gateway: {workers: 1}\n" in shown
    )
    assert "next  citadel plan demo · citadel up demo" in shown
    assert "workers: 1}" in applied.file.read_text()
    applied.citadel("up", "demo", "--reason", "200 is too short")
    newest, _, oldest = applied.document("config", "history", "demo")
    assert (newest["number"], newest["id"]) == (3, oldest["id"])


def test_rollback_writes_through_a_link(applied: World) -> None:
    target = applied.file.parents[2] / "real.yaml"
    applied.file.rename(target)
    applied.file.symlink_to(target)
    applied.citadel("config", "rollback", "demo", "1", "--yes")
    assert applied.file.is_symlink()
    assert "workers: 1}" in target.read_text()


@pytest.mark.feature("CM-02")
def test_rollback_gives_the_file_back_to_the_byte(world: World) -> None:
    text = b"\xef\xbb\xbf" + world.file.read_bytes().replace(b"\n", b"\r\n")
    world.file.write_bytes(text)
    world.citadel("up", "demo")
    # Only the line ends, then no text at all.
    for broken in (text.replace(b"\r\n", b"\n"), b"\xff\xfe broken"):
        world.file.write_bytes(broken)
        world.citadel("config", "rollback", "demo", "1", "--yes")
        assert world.file.read_bytes() == text
    assert "says that already" in world.citadel("config", "rollback", "demo", "1", "--yes")


@pytest.mark.feature("CM-02")
def test_a_rollback_that_is_refused_leaves_the_file_to_the_byte(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.citadel("up", "demo")
    edited = world.file.read_bytes().replace(b"\n", b"\r\n") + b"# mine\r\n"
    world.file.write_bytes(edited)

    def refuse(_: str) -> None:
        raise CitadelError("not valid any more")

    monkeypatch.setattr("hxp_enterprise_llm.configuration.loader.load", refuse)
    world.citadel("config", "rollback", "demo", "1", "--yes", code=1)
    assert world.file.read_bytes() == edited


def test_rollback_to_what_the_file_says_changes_nothing(applied: World) -> None:
    shown = applied.document("config", "rollback", "demo", "2", "--yes")
    assert shown == {"environment": "demo", "revision": 2, "changed": False}


def test_rollback_brings_a_broken_or_lost_file_back(applied: World) -> None:
    good = applied.file.read_text()
    for broken in ("schema: [", None):
        if broken is None:
            applied.file.unlink()
        else:
            applied.file.write_text(broken)
        path = str(applied.file)
        done = applied.document("config", "rollback", path, "2", "--yes")
        assert done["changed"] is True
        assert applied.file.read_text() == good


def test_rollback_asks_first(applied: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = applied.file.read_text()
    error = applied.document("config", "rollback", "demo", "1", code=3)["error"]
    assert (error["message"], error["next_step"]) == (
        "rollback asks first",
        "Give --yes in scripts.",
    )
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter([False, True])
    monkeypatch.setattr("typer.confirm", lambda *_, **__: next(answers))
    applied.citadel("config", "rollback", "demo", "1", code=1)
    assert applied.file.read_text() == before
    applied.citadel("config", "rollback", "demo", "1")
    assert applied.file.read_text() != before


def test_a_revision_that_is_not_valid_any_more_leaves_the_file_as_it_is(applied: World) -> None:
    base = applied.file.with_name("base.yaml")
    base.write_text("schema: 1\n")
    edit(applied, "schema: 1", "schema: 1\nextends: base")
    applied.citadel("up", "demo")
    edit(applied, "\nextends: base", "")
    base.unlink()
    before = applied.file.read_text()
    error = applied.document("config", "rollback", "demo", "3", "--yes", code=3)["error"]
    assert error["findings"][0]["code"] == "C005"
    assert applied.file.read_text() == before


def test_a_lost_file_stays_lost_when_its_revision_is_not_valid_any_more(applied: World) -> None:
    base = applied.file.with_name("base.yaml")
    base.write_text("schema: 1\n")
    edit(applied, "schema: 1", "schema: 1\nextends: base")
    applied.citadel("up", "demo")
    applied.file.unlink()
    base.unlink()
    applied.citadel("config", "rollback", str(applied.file), "3", "--yes", code=3)
    assert not applied.file.exists()


def test_a_revision_that_came_from_no_file_is_not_written_to_one(applied: World) -> None:
    store = local_revisions(records(applied)[0].parents[1])
    asyncio.run(store.append({"schema": 1}, actor="ann", reason="by a service"))
    error = applied.document("config", "rollback", "demo", "3", "--yes", code=3)["error"]
    assert error["message"] == "revision 3 came from no file"


def test_what_an_extended_file_changes_all_the_same_is_told(
    applied: World, capsys: pytest.CaptureFixture[str]
) -> None:
    base = applied.file.with_name("base.yaml")
    base.write_text("schema: 1\nstate: {}\n")
    edit(applied, "schema: 1", "schema: 1\nextends: base")
    applied.citadel("up", "demo")
    edit(applied, "timeout: 200", "timeout: 250")
    base.write_text("performance_targets: {storage: {read_latency_ms: 3}}\n")
    assert run(["config", "rollback", "demo", "3", "--yes"]) == 0
    told = capsys.readouterr().err
    assert "! still differs, for a file that this one extends: " in told
    assert "read_latency_ms: 10.0 → 3.0" in told


@pytest.mark.feature("CL-06", "CM-02")
def test_a_backup_brings_a_lost_history_back(applied: World, tmp_path: Path) -> None:
    archive = tmp_path / "demo.gz"
    before = applied.document("config", "history", "demo")
    said = applied.document("config", "backup", "demo", str(archive))
    assert said == {"environment": "demo", "revisions": 2, "head": f"2:{before[0]['hash']}"}
    assert archive.stat().st_mode & 0o777 == 0o600
    for path in records(applied):
        path.unlink()
    shown = applied.citadel("config", "restore", "demo", str(archive))
    assert shown == "environment demo · restored 2\n"
    assert applied.document("config", "history", "demo") == before
    assert applied.document("config", "restore", "demo", str(archive))["restored"] == 0


@pytest.mark.feature("CL-06", "CM-02")
def test_a_restore_mends_what_is_damaged_and_keeps_it_aside(applied: World, tmp_path: Path) -> None:
    archive = tmp_path / "demo.gz"
    before = applied.document("config", "history", "demo")
    applied.citadel("config", "backup", "demo", str(archive))
    first, second = records(applied)
    first.write_bytes(first.read_bytes().replace(b"citadel up", b"nobody  up"))
    second.write_bytes(b"")
    error = applied.document("config", "history", "demo", code=3)["error"]
    assert "citadel config restore" in error["next_step"]
    spoiled = first.read_bytes()
    shown = applied.citadel("config", "restore", "demo", str(archive), "--dry-run")
    assert shown == ("environment demo · would be restored 2\ndamaged, would be kept aside: 1, 2\n")
    assert (first.read_bytes(), second.read_bytes()) == (spoiled, b"")
    done = applied.document("config", "restore", "demo", str(archive))
    assert (done["restored"], done["aside"], done["dry_run"]) == (2, [1, 2], False)
    assert applied.document("config", "history", "demo") == before
    aside = sorted(first.parent.glob(Path(done["place"]).name))
    assert [path.read_bytes() for path in aside] == [spoiled, b""]


def test_a_backup_is_written_over_nothing_unless_asked_and_over_another_file_never(
    applied: World, tmp_path: Path
) -> None:
    text = applied.file.read_bytes()
    for words in ([], ["--replace"]):
        error = applied.document("config", "backup", "demo", str(applied.file), *words, code=3)[
            "error"
        ]
        assert error["message"].endswith("demo.yaml is there, and is no backup")
    assert applied.file.read_bytes() == text
    archive = tmp_path / "demo.gz"
    applied.citadel("config", "backup", "demo", str(archive))
    error = applied.document("config", "backup", "demo", str(archive), code=3)["error"]
    assert error["message"].endswith("demo.gz is there already")
    assert "--replace" in error["next_step"]
    applied.citadel("config", "backup", "demo", str(archive), "--replace")
    for path in records(applied):
        path.unlink()
    kept = archive.read_bytes()
    error = applied.document("config", "backup", "demo", str(archive), "--replace", code=3)
    assert error["error"]["message"] == (
        "demo has no revisions yet, so there is nothing to back up"
    )
    assert archive.read_bytes() == kept


def test_a_place_that_cannot_be_written_or_read_is_told(
    applied: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = tmp_path / "none" / "demo.gz"
    error = applied.document("config", "backup", "demo", str(none), code=3)["error"]
    assert str(none.parent) in error["message"]
    assert error["message"].endswith(": No such file or directory")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("hxp_enterprise_llm.utilities.files.write_atomic", refuse)
        error = applied.document("config", "rollback", "demo", "1", "--yes", code=3)["error"]
    assert error["message"].endswith("demo.yaml: Permission denied")
    with monkeypatch.context() as patch:
        # The state folder: root may read every one.
        patch.setattr("hxp_enterprise_llm.orchestration.ownership.refuse_other_file", refuse)
        for words in (["history", "demo"], ["diff", "demo", "1"], ["rollback", "demo", "1"]):
            error = applied.document("config", *words, code=3)["error"]
            assert error["message"].endswith("demo.yaml: Permission denied")
    folder = records(applied)[0].parent
    folder.rename(folder.with_name("elsewhere"))
    folder.touch()
    error = applied.document("config", "history", "demo", code=1)["error"]
    assert error["message"].endswith("cannot read revisions: Not a directory")


def test_rollback_shows_no_secret_that_somebody_wrote_in_clear(applied: World) -> None:
    key = "hunter2SECRETCANARY"
    edit(applied, "timeout: 200}", f"timeout: 200, key: {key}}}")
    shown = applied.citadel("config", "rollback", "demo", "1", "--yes")
    assert "-  api_gateway: {workers: 1, timeout: 200, key: " in shown
    assert key not in shown


def test_a_backup_that_cannot_be_read_or_was_changed_is_refused(
    applied: World, tmp_path: Path
) -> None:
    archive = tmp_path / "demo.gz"
    error = applied.document("config", "restore", "demo", str(archive), code=3)["error"]
    assert error["message"].endswith("demo.gz: No such file or directory")
    archive.write_bytes(b"none")
    error = applied.document("config", "restore", "demo", str(archive), code=1)["error"]
    assert error["code"] == "revision.store"


@pytest.mark.feature("CL-06")
def test_a_backup_of_another_environment_is_refused(applied: World, tmp_path: Path) -> None:
    archive = tmp_path / "other.gz"
    other = local_revisions(tmp_path / "other")
    asyncio.run(other.append({"hosts": {}}, actor="ann", reason="x"))
    archive.write_bytes(asyncio.run(other.backup()))
    before = applied.document("config", "history", "demo")
    error = applied.document("config", "restore", "demo", str(archive), code=3)["error"]
    assert error["code"] == "revision.foreign"
    assert error["message"] == (
        "revision 1 of the backup is of other/environment/other, "
        "and this is the store of demo/environment/demo"
    )
    assert applied.document("config", "history", "demo") == before


def test_another_file_of_the_same_name_has_no_say_in_the_history(
    applied: World, tmp_path: Path
) -> None:
    other = tmp_path / "demo.yaml"
    other.write_text(applied.file.read_text())
    error = applied.document("config", "history", str(other), code=3)["error"]
    assert "environment demo was made from" in error["message"]


def test_the_document_of_a_revision_is_what_was_applied(applied: World) -> None:
    record = json.loads(records(applied)[0].read_text())
    assert record["document"]["infrastructure_services"]["api_gateway"]["timeout"] == 300
    assert record["source"].startswith("# The environment of the tests")
