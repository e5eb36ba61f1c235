from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.artifacts.collect import garbage, remove, verify
from hxp_enterprise_llm.orchestration.artifacts.roots import remember
from hxp_enterprise_llm.orchestration.artifacts.store import Store, hash_tree
from hxp_enterprise_llm.schemas.artifacts import ArtifactRef

ONE = ArtifactRef(kind="model", name="one", digest="1" * 64)
TWO = ArtifactRef(kind="venv", name="two", digest="2" * 64)


def publish(store: Store, ref: ArtifactRef, **files: str) -> None:
    """Publish a view of short files."""
    store.publish(ref.view, {name: store.keep(text.encode()) for name, text in files.items()})


def test_a_view_holds_links_to_blobs_and_says_what_is_in_it(store: Store) -> None:
    publish(store, ONE, config="{}", weights="abc")
    view = store.view(ONE.view)
    assert dict(view.files) == {
        "config": hashlib.sha256(b"{}").hexdigest(),
        "weights": hashlib.sha256(b"abc").hexdigest(),
    }
    assert view.size == 5
    assert (store.root / ONE.view / "weights").samefile(store.blob(view.files["weights"]))


def test_a_view_that_cannot_be_completed_is_not_there(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.publish(ONE.view, {"here": store.keep(b"x"), "gone": "0" * 64})
    assert not store.has_view(ONE.view)
    assert list(store.views()) == []


def test_the_second_to_publish_a_view_finds_the_first_ones(store: Store) -> None:
    publish(store, ONE, config="first")
    publish(store, ONE, config="second")
    assert (store.root / ONE.view / "config").read_text() == "first"
    assert list((store.root / "partial").iterdir()) == []


def test_everybody_may_read_a_view_and_nobody_may_write_its_files(store: Store) -> None:
    publish(store, ONE, config="{}")
    assert (store.root / ONE.view).stat().st_mode & 0o777 == 0o755
    assert (store.root / ONE.view / "config").stat().st_mode & 0o777 == 0o444


def test_a_program_is_replaced_at_once_and_only_when_it_differs(store: Store) -> None:
    for content, changed in ((b"1", True), (b"1", False), (b"2", True)):
        file = store.root / "partial" / "uv"
        file.write_bytes(content)
        assert store.link_program("uv", store.adopt(file, executable=True)) is changed
    assert (store.root / "bin" / "uv").read_bytes() == b"2"
    assert (store.root / "bin" / "uv").stat().st_mode & 0o111


def test_the_hash_of_a_tree_is_that_of_sorted_sha256sum_lines() -> None:
    lines = f"{'a' * 64}  a.json\n{'b' * 64}  b/c.json\n"
    expected = hashlib.sha256(lines.encode()).hexdigest()
    assert hash_tree({"b/c.json": "b" * 64, "a.json": "a" * 64}) == expected


def test_verify_finds_nothing_in_a_sound_store(store: Store) -> None:
    publish(store, ONE, config="{}")
    assert verify(store, [ONE], lambda _: None) == []


def test_verify_sets_aside_what_changed_so_that_fetch_brings_it_again(store: Store) -> None:
    publish(store, ONE, config="{}", weights="abc")
    changed = store.root / ONE.view / "weights"
    changed.chmod(0o644)
    changed.write_text("abX")
    findings = verify(store, [ONE], lambda _: None)
    assert [finding.artifact for finding in findings] == [f"{ONE.view}/weights"]
    assert hashlib.sha256(b"abc").hexdigest() in findings[0].problem
    assert not store.has_view(ONE.view)
    assert not store.has(hashlib.sha256(b"abc").hexdigest())
    assert store.has(hashlib.sha256(b"{}").hexdigest())


def test_verify_names_what_was_never_fetched(store: Store) -> None:
    findings = verify(store, [TWO], lambda _: None)
    assert [finding.artifact for finding in findings] == [TWO.view]


def test_gc_keeps_what_an_existing_environment_needs(store: Store, tmp_path: Path) -> None:
    publish(store, ONE, config="{}")
    environment = tmp_path / "local.yaml"
    environment.touch()
    remember(store, environment, [ONE])
    assert garbage(store, tmp_path / "venvs") == []


def test_gc_removes_what_nobody_needs_and_only_that(store: Store, tmp_path: Path) -> None:
    venvs = tmp_path / "venvs"
    for ref in (ONE, TWO):
        publish(store, ref, shared="same", own=ref.name)
    for name in (TWO.folder, "old-0000000000000000"):
        (venvs / name).mkdir(parents=True)
    kept, gone = tmp_path / "kept.yaml", tmp_path / "gone.yaml"
    kept.touch()
    remember(store, kept, [TWO])
    remember(store, gone, [ONE])
    found = garbage(store, venvs)
    assert store.has_view(ONE.view), "a dry run removes nothing"
    remove(store, found)
    assert not store.has_view(ONE.view)
    assert store.has_view(TWO.view)
    assert not store.has(hashlib.sha256(b"one").hexdigest())
    assert store.has(hashlib.sha256(b"same").hexdigest())
    assert [path.name for path in venvs.iterdir()] == [TWO.folder]
    assert garbage(store, venvs) == []


def test_gc_removes_nothing_while_something_is_fetched(store: Store, tmp_path: Path) -> None:
    publish(store, ONE, config="{}")
    with store.used(), pytest.raises(CitadelError, match="fetching"):
        remove(store, garbage(store, tmp_path / "venvs"))
    assert store.has_view(ONE.view)


def test_gc_leaves_an_environment_that_is_being_built(store: Store, tmp_path: Path) -> None:
    (tmp_path / "venvs" / f".{TWO.folder}.partial").mkdir(parents=True)
    assert garbage(store, tmp_path / "venvs") == []


def test_gc_removes_what_was_refused_or_left_half_done(store: Store, tmp_path: Path) -> None:
    (store.root / "partial" / "x.part").write_text("half")
    (store.root / "partial" / "tmpdir").mkdir()
    (store.root / "quarantine" / "y").write_text("bad")
    remove(store, garbage(store, tmp_path / "venvs"))
    assert list((store.root / "partial").iterdir()) == []
    assert list((store.root / "quarantine").iterdir()) == []


def test_the_same_view_can_be_set_aside_twice(store: Store) -> None:
    for _ in range(2):
        publish(store, ONE, config="{}")
        (store.root / ONE.view / "config").chmod(0o644)
        (store.root / ONE.view / "config").write_text("changed")
        assert len(verify(store, [ONE], lambda _: None)) == 1
    assert not store.has_view(ONE.view)


def test_gc_keeps_programs(store: Store, tmp_path: Path) -> None:
    file = store.root / "partial" / "uv"
    file.write_bytes(b"program")
    store.link_program("uv", store.adopt(file, executable=True))
    assert garbage(store, tmp_path / "venvs") == []


def test_an_environment_that_needs_less_frees_the_rest(store: Store, tmp_path: Path) -> None:
    publish(store, ONE, config="{}")
    environment = tmp_path / "local.yaml"
    environment.touch()
    remember(store, environment, [ONE])
    remember(store, environment, [])
    assert [item.path for item in garbage(store, tmp_path / "venvs")] == [
        store.root / ONE.view,
        store.blob(hashlib.sha256(b"{}").hexdigest()),
    ]
    assert json.loads(next((store.root / "roots").iterdir()).read_text())["artifacts"] == []
