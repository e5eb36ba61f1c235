"""The sealed file: opened by path, written by one, upgraded from format 1 (CX-01, CX-03)."""

from __future__ import annotations

import base64
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.configuration.secrets.conftest import FORMATS

from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretError,
    SecretFileError,
    SecretNotFoundError,
    SecretRefusedError,
    TamperedError,
    UnknownKeyError,
)
from hxp_enterprise_llm.configuration.secrets.keyring import KeyRing
from hxp_enterprise_llm.configuration.secrets.rekey import rekey
from hxp_enterprise_llm.configuration.secrets.rules import RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    state = tmp_path / "local"
    state.mkdir()
    return state


@pytest.fixture
def old(folder: Path) -> dict[str, str]:
    """Files of format 1, as the first release wrote them."""
    key, values, entries = os.urandom(32), {"gateway/key": "ck_old", "redis/default": "r1"}, {}
    for name, value in values.items():
        nonce = os.urandom(12)
        sealed = AESGCM(key).encrypt(nonce, value.encode(), name.encode())
        entries[name] = base64.b64encode(nonce + sealed).decode()
    (folder.parent / "secrets.key").write_bytes(key)
    (folder.parent / "secrets.key").chmod(0o600)
    document = {"format": 1, "cipher": "AES-256-GCM", "entries": entries}
    (folder / "secrets.json").write_text(json.dumps(document, indent=1, sort_keys=True))
    return values


def test_files_of_format_1_open_and_stay_as_they_are_while_they_are_read(
    folder: Path, old: dict[str, str]
) -> None:
    before = (folder / "secrets.json").read_bytes()
    store = SealedStore(folder)
    assert {path: store.get(path).reveal() for path in store.paths()} == old
    assert (folder / "secrets.json").read_bytes() == before


@pytest.mark.feature("CX-02", "A5")
def test_the_first_write_upgrades_a_file_of_format_1(folder: Path, old: dict[str, str]) -> None:
    SealedStore(folder).set("new", Secret("value"))
    document = json.loads((folder / "secrets.json").read_text())
    assert (document["format"], document["cipher"]) == (3, "AES-256-GCM")
    store = SealedStore(folder)
    assert {path: store.get(path).reveal() for path in store.paths()} == {**old, "new": "value"}
    assert store.outdated() == ()


@pytest.mark.feature("CX-03")
def test_a_file_of_format_1_is_rewrapped_with_a_new_key(folder: Path, old: dict[str, str]) -> None:
    store = SealedStore(folder)
    assert store.outdated() == ("gateway/key", "redis/default")
    with store.locked():
        added = store.ring.add_key()
    assert store.rewrap() == ("gateway/key", "redis/default")
    assert store.used_keys() == {added}
    store.ring.retire(store.used_keys())
    assert SealedStore(folder).get("gateway/key").reveal() == "ck_old"


def test_versions_count_and_times_are_kept(folder: Path) -> None:
    store = SealedStore(folder, clock=lambda: NOON)
    assert store.set("a", Secret("1")).version == 1
    entry = store.set("a", Secret("2"))
    assert (entry.version, entry.made_at) == (2, NOON)
    assert store.get("a").reveal() == "2"


@pytest.mark.feature("CX-04")
@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("version", 7),
        ("made_at", "2027-01-01T00:00:00+00:00"),
        ("rotation", {"made_by": "given", "every_days": 3650, "hook": ""}),
        ("rotation", {"made_by": "given", "every_days": None, "hook": "/tmp/mine"}),
        ("rotation", {"made_by": "generated", "every_days": None, "hook": ""}),
    ],
)
def test_what_the_due_list_reads_cannot_be_changed_beside_the_envelope(
    folder: Path, part: str, value: object
) -> None:
    store = SealedStore(folder)
    store.set("a", Secret("1"))
    document = json.loads(store.file.read_text())
    document["entries"]["a"][part] = value
    store.file.write_text(json.dumps(document))
    for use in (
        lambda: store.get("a"),
        lambda: store.checked("a"),
        lambda: store.set("a", Secret("2")),
        lambda: store.set_rule("a", RotationRule()),
        lambda: store.renew("a", Secret("2"), lambda _rule, new: new),
        lambda: rekey(folder.parent),
    ):
        with pytest.raises(TamperedError, match="secret a was changed"):
            use()
    assert json.loads(store.file.read_text()) == document


def test_an_old_value_put_back_under_a_new_version_is_refused(folder: Path) -> None:
    store = SealedStore(folder)
    store.set("a", Secret("old"))
    kept = json.loads(store.file.read_text())["entries"]["a"]["envelope"]
    store.set("a", Secret("new"))
    document = json.loads(store.file.read_text())
    document["entries"]["a"]["envelope"] = kept
    store.file.write_text(json.dumps(document))
    with pytest.raises(TamperedError):
        SealedStore(folder).get("a")


@pytest.mark.feature("CX-03")
def test_readers_go_on_while_keys_change(folder: Path) -> None:
    SealedStore(folder).set("a", Secret("value"))
    stop, wrong = threading.Event(), []

    def read() -> None:
        store = SealedStore(folder)
        while not stop.is_set():
            try:
                value = store.get("a").reveal()
            except Exception as error:
                value = repr(error)
            if value != "value":
                wrong.append(value)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    writer = SealedStore(folder)
    for _ in range(10):
        with writer.locked():
            writer.ring.add_key()
        writer.rewrap()
        with writer.locked():
            writer.ring.retire(writer.used_keys())
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_writers_do_not_lose_each_others_secrets(folder: Path) -> None:
    def write(number: int) -> None:
        SealedStore(folder).set(f"s{number}", Secret(str(number)))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    store = SealedStore(folder)
    assert [store.get(f"s{number}").reveal() for number in range(8)] == [str(n) for n in range(8)]


def test_two_who_make_one_secret_get_one_value(folder: Path) -> None:
    found: list[str] = []

    def make(number: int) -> None:
        found.append(SealedStore(folder).get_or_make("a", lambda: f"value {number}").reveal())

    makers = [threading.Thread(target=make, args=(number,)) for number in range(6)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(set(found)) == 1


@pytest.mark.feature("CX-03")
def test_a_key_of_90_days_is_replaced_by_the_next_write(folder: Path) -> None:
    now = [NOON]
    store = SealedStore(folder, clock=lambda: now[0])
    store.set("a", Secret("1"))
    (first,) = store.used_keys()
    now[0] += timedelta(days=89, hours=23)
    store.set("b", Secret("2"))
    assert store.used_keys() == {first}
    now[0] += timedelta(hours=1)
    store.set("c", Secret("3"))
    (second,) = store.used_keys()
    assert second != first
    assert [store.get(path).reveal() for path in "abc"] == ["1", "2", "3"]
    # Another environment may still need the first key: it goes with `citadel secrets rekey`.
    assert [key.key_id for key in store.ring.entries()] == [first, second]


def test_a_write_outlives_a_loss_of_power(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    sync, move = os.fsync, os.replace

    def synced(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").resolve()
        steps.append(f"sync {path.name}" if path.is_dir() else "sync a file")
        sync(handle)

    def replaced(source: Path, target: Path) -> None:
        steps.append(f"name {Path(target).name}")
        move(source, target)

    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr("os.replace", replaced)
    SealedStore(folder).set("a", Secret("1"))
    ring = ["sync a file", "name secrets.key", f"sync {folder.parent.name}"]
    assert steps == [*ring, "sync a file", "name secrets.json", f"sync {folder.name}"]


def test_a_sealed_file_and_a_ring_that_are_links_stay_links(folder: Path, tmp_path: Path) -> None:
    SealedStore(folder).set("a", Secret("1"))
    kept = tmp_path / "far/away"
    kept.mkdir(parents=True)
    for file in (folder / "secrets.json", tmp_path / "secrets.key"):
        file.rename(kept / file.name)
        file.symlink_to(kept / file.name)
    store = SealedStore(folder)
    store.set("a", Secret("2"))
    rekey(tmp_path)
    assert store.file.is_symlink()
    assert store.ring.file.is_symlink()
    assert '"version": 2' in (kept / "secrets.json").read_text()
    assert SealedStore(folder).get("a").reveal() == "2"


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x1b[2Jb", "a\u2028b", "\udcff", "a\tb"])
def test_a_name_that_would_break_a_line_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(SecretRefusedError, match="cannot be shown"):
        SealedStore(folder).set(name, Secret("1"))
    assert not (folder / "secrets.json").exists()


def test_what_the_system_refuses_is_told_with_the_file_and_the_cure(folder: Path) -> None:
    store = SealedStore(folder)
    store.set("a", Secret("1"))
    for file, verb in (
        (store.ring.file, "read"),
        (store.file, "read"),
        (folder.parent / "secrets.lock", "locked"),
    ):
        content = file.read_bytes()
        file.unlink()
        file.mkdir(mode=0o700)
        fresh = SealedStore(folder)
        with pytest.raises(SecretFileError, match=f"{file} cannot be {verb}: Is a dir") as caught:
            fresh.set("b", Secret("2"))
        assert "owner and mode" in caught.value.next_step
        file.rmdir()
        file.write_bytes(content)
        file.chmod(0o600)


def test_a_removed_secret_is_gone_and_an_unknown_one_is_named(folder: Path) -> None:
    store = SealedStore(folder)
    store.set("a", Secret("1"))
    store.remove("a")
    for call in (store.get, store.remove, store.key_id):
        with pytest.raises(SecretNotFoundError, match="no secret a"):
            call("a")


@pytest.mark.parametrize(("path", "value"), [("", "x"), ("a", "")])
def test_an_empty_name_and_an_empty_value_are_refused(folder: Path, path: str, value: str) -> None:
    store = SealedStore(folder)
    with pytest.raises(SecretRefusedError, match="is empty"):
        store.set(path, Secret(value))
    assert store.paths() == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{half", "is no JSON document"),
        ("[]", "no valid 'format'"),
        ('{"format": 9, "entries": {}}', "has format 9"),
        ('{"format": 1, "entries": {"a": 1}}', "no envelope at a"),
        ('{"format": 2, "entries": {"a": {"envelope": "?"}}}', "no envelope at a"),
        (
            '{"format": 2, "entries": {"a": {"envelope": "AAAA", "version": 1, "made_at": "x"}}}',
            "wrong time at a",
        ),
        (
            (
                '{"format": 3, "entries": {"a": {"envelope": "AAAA", "version": 1, '
                '"made_at": "2026-11-21T12:00:00+00:00", "rotation": {"made_by": "me"}}}}'
            ),
            "wrong rule of rotation at a",
        ),
    ],
)
def test_a_file_that_is_not_understood_is_refused(folder: Path, content: str, message: str) -> None:
    (folder / "secrets.json").write_text(content)
    with pytest.raises((TamperedError, SecretRefusedError), match=message):
        SealedStore(folder).paths()


def test_a_lost_key_ring_is_an_error_not_a_new_key(folder: Path) -> None:
    SealedStore(folder).set("a", Secret("1"))
    (folder.parent / "secrets.key").unlink()
    with pytest.raises(UnknownKeyError, match="has no key k"):
        SealedStore(folder).get("a")
    with pytest.raises(UnknownKeyError, match="is missing, and"):
        SealedStore(folder).set("b", Secret("2"))
    assert not (folder.parent / "secrets.key").exists()


def test_environments_of_one_checkout_share_the_ring(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    SealedStore(folder).set("a", Secret("1"))
    SealedStore(other).set("a", Secret("2"))
    assert len(KeyRing(tmp_path / "secrets.key").entries()) == 1


@pytest.mark.feature("CX-02", "CX-04")
def test_a_sealed_file_that_is_moved_to_another_environment_does_not_open(
    folder: Path, tmp_path: Path
) -> None:
    production = tmp_path / "production"
    production.mkdir()
    SealedStore(folder).set("postgres/admin", Secret("of local"))
    SealedStore(production).set("postgres/admin", Secret("of production"))
    # The same ring, path, version and kind of entry: the environment alone is another.
    (production / "secrets.json").write_bytes((folder / "secrets.json").read_bytes())
    store = SealedStore(production)
    with pytest.raises(TamperedError, match="or belongs to another environment"):
        store.get("postgres/admin")
    with store.locked():
        store.ring.add_key()
    with pytest.raises(TamperedError):
        store.rewrap()
    assert SealedStore(folder).get("postgres/admin").reveal() == "of local"


@pytest.mark.feature("CX-02", "A5")
def test_a_file_of_format_2_opens_and_the_next_write_binds_its_environment(
    of_format_2: Path,
) -> None:
    before = (of_format_2 / "secrets.json").read_bytes()
    store = SealedStore(of_format_2)
    values = {
        "gateway/key": "ck_" + "g" * 43,
        "redis/default": "r" * 43,
        "smtp/password": "given by somebody",
    }
    assert {path: store.get(path).reveal() for path in store.paths()} == values
    assert (of_format_2 / "secrets.json").read_bytes() == before
    assert store.outdated() == tuple(values)
    assert store.rewrap() == tuple(values)
    document = json.loads((of_format_2 / "secrets.json").read_text())
    assert document["format"] == 3
    again = SealedStore(of_format_2)
    assert {path: again.get(path).reveal() for path in again.paths()} == values
    assert again.outdated() == ()
    # What nobody has written down is read off the value's own form.
    assert {path: again.entry(path).rule.made_by.value for path in again.paths()} == {
        "gateway/key": "generated",
        "redis/default": "generated",
        "smtp/password": "given",
    }
    assert [again.entry(path).version for path in values] == [1, 2, 1]
    moved = of_format_2.with_name("other")
    of_format_2.rename(moved)
    with pytest.raises(TamperedError, match="another environment"):
        SealedStore(moved).get("gateway/key")


@pytest.mark.feature("CX-02")
def test_an_envelope_without_an_environment_is_refused_in_a_file_of_today(
    of_format_2: Path,
) -> None:
    older = json.loads((of_format_2 / "secrets.json").read_text())
    SealedStore(of_format_2).rewrap()
    today = json.loads((of_format_2 / "secrets.json").read_text())
    today["entries"]["gateway/key"]["envelope"] = older["entries"]["gateway/key"]["envelope"]
    (of_format_2 / "secrets.json").write_text(json.dumps(today))
    with pytest.raises(TamperedError, match="secret gateway/key was changed"):
        SealedStore(of_format_2).get("gateway/key")


@pytest.mark.feature("CX-03")
def test_after_a_rekey_no_envelope_without_an_environment_opens_any_more(
    of_format_2: Path,
) -> None:
    older = (of_format_2 / "secrets.json").read_bytes()
    rekey(of_format_2.parent)
    (of_format_2 / "secrets.json").write_bytes(older)
    with pytest.raises(UnknownKeyError, match="has no key k"):
        SealedStore(of_format_2).get("gateway/key")


SEALED_FILE = (FORMATS / "sealed-2.json").read_bytes()


@pytest.mark.feature("CX-02", "CX-04")
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bit=st.integers(0, 10**6), form=st.sampled_from([2, 3]))
def test_a_bit_flipped_anywhere_in_a_sealed_file_gives_no_other_value(
    of_format_2: Path, bit: int, form: int
) -> None:
    file = of_format_2 / "secrets.json"
    file.write_bytes(SEALED_FILE)
    if form == 3:
        SealedStore(of_format_2).rewrap()
    expected = {
        path: SealedStore(of_format_2).get(path) for path in SealedStore(of_format_2).paths()
    }
    changed = bytearray(file.read_bytes())
    bit %= len(changed) * 8
    changed[bit // 8] ^= 1 << bit % 8
    file.write_bytes(changed)
    store = SealedStore(of_format_2)
    try:
        found = {path: store.get(path) for path in store.paths()}
    except (SecretError, SecretRefusedError):
        return
    # White space, and the name of the cipher, which is not chosen by it.
    assert found == expected
