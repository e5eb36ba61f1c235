"""A new key for all environments: begun, broken off and ended without a moment unread (CX-03)."""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.audit import AuditLog
from hxp_enterprise_llm.configuration.secrets import rekey as module
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretFileError,
    TamperedError,
    UnknownKeyError,
)
from hxp_enterprise_llm.configuration.secrets.files import locked
from hxp_enterprise_llm.configuration.secrets.keyring import KeyRing
from hxp_enterprise_llm.configuration.secrets.rekey import rekey
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        SealedStore(tmp_path / name).set("a", Secret(name))
    return tmp_path


@pytest.mark.feature("CX-03")
def test_a_rekey_that_broke_off_leaves_all_readable_and_the_next_one_ends_it(state: Path) -> None:
    before = KeyRing(state / "secrets.key").current()[0]
    KeyRing(state / "secrets.key").add_key()
    assert SealedStore(state / "first").rewrap() == ("a",)
    assert [SealedStore(state / name).get("a").reveal() for name in ("first", "second")] == [
        "first",
        "second",
    ]
    done = rekey(state)
    assert before in done.retired
    assert SealedStore(state / "second").used_keys() == {done.key_id}
    assert [key.key_id for key in KeyRing(state / "secrets.key").entries()] == [done.key_id]
    assert SealedStore(state / "first").get("a").reveal() == "first"


def test_a_changed_secret_anywhere_keeps_a_rekey_from_beginning(state: Path) -> None:
    file, ring = state / "second/secrets.json", (state / "secrets.key").read_bytes()
    document = json.loads(file.read_text())
    document["entries"]["a"]["envelope"] = document["entries"]["a"]["envelope"][:20]
    file.write_text(json.dumps(document))
    first = (state / "first/secrets.json").read_bytes()
    with pytest.raises(TamperedError, match="secret a was changed"):
        rekey(state)
    assert (state / "secrets.key").read_bytes() == ring
    assert (state / "first/secrets.json").read_bytes() == first


def test_a_lost_ring_is_not_replaced(state: Path) -> None:
    (state / "secrets.key").unlink()
    with pytest.raises(UnknownKeyError, match="is missing"):
        rekey(state)
    assert not (state / "secrets.key").exists()


@pytest.mark.parametrize("target", ["secrets.json", "nowhere"])
def test_an_environment_that_cannot_be_looked_at_keeps_the_keys_that_it_may_need(
    state: Path, target: str
) -> None:
    before = (state / "secrets.key").read_bytes()
    file = state / "second/secrets.json"
    file.unlink()
    # A link to itself, and one to a place that is not there now.
    file.symlink_to(target)
    with pytest.raises(SecretFileError, match=f"{file} cannot be read"):
        rekey(state)
    assert (state / "secrets.key").read_bytes() == before


def test_without_secrets_no_key_is_made(tmp_path: Path) -> None:
    assert rekey(tmp_path).environments == {}
    assert not (tmp_path / "secrets.key").exists()


@pytest.mark.feature("CX-03")
def test_a_thousand_secrets_are_wrapped_anew_within_a_second(state: Path) -> None:
    store = SealedStore(state / "first")
    store.update({f"s/{number}": Secret("v" * 43) for number in range(1000)})
    started = time.perf_counter()
    done = rekey(state)
    assert time.perf_counter() - started < 1.0
    assert done.environments["first"] == 1001


@pytest.mark.feature("CX-03")
@pytest.mark.parametrize("lock", [1, 2])
def test_an_environment_that_comes_while_a_rekey_runs_stays_readable(
    state: Path, monkeypatch: pytest.MonkeyPatch, lock: int
) -> None:
    ring = KeyRing(state / "secrets.key")
    (state / "kept/third").mkdir(parents=True)
    SealedStore(state / "kept/third", ring=ring).set("a", Secret("third"))
    sealed = (state / "kept/third/secrets.json").read_bytes()
    taken = 0

    def late(path: Path) -> AbstractContextManager[None]:
        nonlocal taken
        taken += 1
        if taken == lock:
            (state / "third").mkdir()
            (state / "third/secrets.json").write_bytes(sealed)
        return locked(path)

    monkeypatch.setattr(module, "locked", late)
    rekey(state)
    assert taken == 2
    assert SealedStore(state / "third").get("a").reveal() == "third"


@pytest.mark.feature("CX-03", "CX-05")
def test_a_rekey_stands_in_the_audit_log_of_each_environment(state: Path) -> None:
    done = rekey(state, actor="person:ann")
    for name in ("first", "second"):
        (record,) = AuditLog(state / name / "audit.jsonl").records()
        assert (record.event.actor, record.event.action) == ("person:ann", "secret.rekey")
        assert record.event.resource == f"key:{done.key_id}"
        assert (record.event.outcome, record.event.detail) == ("ok", {"secrets": "1"})
