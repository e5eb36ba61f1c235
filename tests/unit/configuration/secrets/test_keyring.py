"""Keys: made once, closed to others, rotated while the older ones still open (CX-03, CX-04)."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretRefusedError,
    TamperedError,
    UnknownKeyError,
)
from hxp_enterprise_llm.configuration.secrets.keyring import KeyRing, key_id_of

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secrets.key"


@pytest.mark.feature("CX-04")
def test_the_first_key_is_made_in_a_file_that_only_its_owner_reads(file: Path) -> None:
    key_id, key = KeyRing(file).current()
    assert len(key) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert KeyRing(file).current() == (key_id, key)


@pytest.mark.feature("CX-04")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o604])
def test_a_ring_that_others_reach_is_refused(file: Path, mode: int) -> None:
    KeyRing(file).current()
    file.chmod(mode)
    with pytest.raises(SecretRefusedError, match="chmod 600"):
        KeyRing(file).current()


@pytest.mark.feature("CX-03")
def test_a_rotated_ring_seals_with_the_new_key_and_finds_the_old_one(file: Path) -> None:
    ring = KeyRing(file)
    before, value = ring.current()
    after = ring.add_key()
    assert after != before
    for seen in (ring, KeyRing(file)):
        assert seen.current()[0] == after
        assert seen.find(before) == value
        assert [key.key_id for key in seen.entries()] == [before, after]


@pytest.mark.feature("CX-03")
def test_a_key_is_due_after_90_days(file: Path) -> None:
    now = [NOON]
    ring = KeyRing(file, clock=lambda: now[0])
    every = timedelta(days=90)
    assert not ring.due(every)
    ring.current()
    now[0] += timedelta(days=90, seconds=-1)
    assert not ring.due(every)
    now[0] += timedelta(seconds=1)
    assert ring.due(every)
    ring.add_key()
    assert not ring.due(every)


def test_retired_are_the_keys_that_nothing_needs(file: Path) -> None:
    ring = KeyRing(file)
    first = ring.current()[0]
    second, third = ring.add_key(), ring.add_key()
    assert ring.retire({first}) == (second,)
    assert [key.key_id for key in KeyRing(file).entries()] == [first, third]
    with pytest.raises(UnknownKeyError, match=second):
        ring.find(second)


def test_a_key_file_of_format_1_is_a_ring_of_one_key(file: Path) -> None:
    raw = os.urandom(32)
    file.write_bytes(raw)
    file.chmod(0o600)
    ring = KeyRing(file)
    assert ring.current() == (key_id_of(raw), raw)
    assert file.read_bytes() == raw
    ring.add_key()
    assert KeyRing(file).find(key_id_of(raw)) == raw
    assert json.loads(file.read_text())["format"] == 2


def test_another_process_sees_a_new_key_at_once(file: Path) -> None:
    ours, theirs = KeyRing(file), KeyRing(file)
    ours.current()
    theirs.current()
    assert ours.add_key() == theirs.current()[0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"format": 3}, SecretRefusedError, "has format 3"),
        ({"guard": "transit"}, SecretRefusedError, "sealed by transit, not by file"),
        ({"current": "kother"}, TamperedError, "lacks its current key"),
        ({"keys": []}, TamperedError, "no valid 'keys'"),
    ],
)
def test_a_ring_that_is_not_understood_is_refused(
    file: Path, change: dict[str, object], error: type[Exception], message: str
) -> None:
    KeyRing(file).current()
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(error, match=message):
        KeyRing(file).current()


@pytest.mark.parametrize("part", ["key", "made_at"])
def test_a_changed_key_is_refused_by_name(file: Path, part: str) -> None:
    ring = KeyRing(file)
    key_id = ring.current()[0]
    document = json.loads(file.read_text())
    document["keys"][key_id][part] = "AAAA"
    file.write_text(json.dumps(document))
    with pytest.raises(TamperedError, match=f"key {key_id} was changed"):
        KeyRing(file).current()


def test_a_file_that_is_no_ring_is_refused(file: Path) -> None:
    file.write_text("half of a ri")
    file.chmod(0o600)
    with pytest.raises(TamperedError, match="is no key ring"):
        KeyRing(file).current()


def test_a_key_shows_its_id_only(file: Path) -> None:
    ring = KeyRing(file)
    ring.current()
    (key,) = ring.entries()
    assert repr(key) == f"Key({key.key_id})"
