"""Signed revisions: Ed25519 over their hash; keys rotate; an error names the revision."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from hxp_enterprise_llm.configuration.revisions.base import Revision, TamperedRevisionError
from hxp_enterprise_llm.configuration.revisions.memory import MemoryShelf
from hxp_enterprise_llm.configuration.revisions.store import Revisions
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore
from hxp_enterprise_llm.configuration.security.errors import SignatureError
from hxp_enterprise_llm.configuration.security.signing import (
    SECRET_PATH,
    Signer,
    Verifier,
    kept_signer,
    rotate_kept,
)

pytestmark = pytest.mark.feature("CC-05", "CC-04")


@pytest.fixture
def signer() -> Signer:
    return Signer.new()


@pytest.fixture
def store(tmp_path: Path) -> SealedStore:
    folder = tmp_path / "local"
    folder.mkdir()
    return SealedStore(folder)


async def revision(signer: Signer | None) -> Revision:
    revisions = Revisions(MemoryShelf(), signer=signer)
    await revisions.append({"hosts": 1}, actor="ada", reason="first")
    return await revisions.append({"hosts": 2}, actor="ada", reason="more")


async def test_a_revision_is_signed_with_ed25519_over_its_hash(signer: Signer) -> None:
    made = await revision(signer)
    algorithm, key_id, value = str(made.signature).split(":")
    assert (algorithm, key_id) == ("ed25519", signer.key_id)
    public = Ed25519PublicKey.from_public_bytes(signer.verifier.trusted[key_id])
    public.verify(base64.b64decode(value), b"citadel revision\x00" + made.hash.encode())
    assert signer.verifier.check(made) == key_id


@pytest.mark.parametrize(
    "change",
    [
        {"text": b'{"hosts":3}'},
        {"id": "0" * 64},
        {"actor": "eva"},
        {"reason": "less"},
        {"approver": "eva"},
        {"parent": "1" * 64},
        {"hash": "2" * 64},
        {"number": 3},
    ],
)
async def test_any_change_is_found_and_the_revision_is_named(
    signer: Signer, change: dict[str, Any]
) -> None:
    made = await revision(signer)
    number = change.get("number", made.number)
    with pytest.raises(SignatureError, match=rf"^revision {number} .* was changed"):
        signer.verifier.check(replace(made, **change))


@settings(max_examples=60)
@given(st.data())
async def test_a_bit_flipped_in_a_signature_is_found(data: st.DataObject) -> None:
    signer = Signer.new()
    made = await revision(signer)
    prefix, _, text = str(made.signature).rpartition(":")
    value = bytearray(base64.b64decode(text))
    value[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    flipped = f"{prefix}:{base64.b64encode(value).decode()}"
    assert not signer.verify(made.hash, flipped)
    with pytest.raises(SignatureError, match="revision 2 does not fit its signature"):
        signer.verifier.check(replace(made, signature=flipped))


@given(st.text(max_size=80))
def test_any_text_is_no_signature(text: str) -> None:
    assert not Signer.new().verify("a" * 64, text)


async def test_who_signed_must_be_trusted(signer: Signer) -> None:
    made = await revision(Signer.new())
    with pytest.raises(SignatureError, match=r"revision 2 is signed with key s.*, which is not"):
        signer.verifier.check(made)
    with pytest.raises(SignatureError, match="revision 2 is not signed"):
        signer.verifier.check(await revision(None))
    for wrong in ("x", "rsa:a:aaaa", "ed25519:a:?"):
        with pytest.raises(SignatureError, match="revision 2 has a signature of an unknown form"):
            signer.verifier.check(replace(made, signature=wrong))


async def test_after_a_rotation_the_new_key_signs_and_the_old_one_is_still_trusted(
    signer: Signer,
) -> None:
    old = await revision(signer)
    newer = signer.rotated()
    new = await revision(newer)
    assert newer.key_id != signer.key_id
    assert [newer.verifier.check(one) for one in (old, new)] == [signer.key_id, newer.key_id]
    with pytest.raises(SignatureError, match="not trusted"):
        signer.verifier.check(new)
    strict = newer.without(signer.key_id)
    assert strict.verifier.check(new)
    with pytest.raises(SignatureError, match="revision 2 is signed with key"):
        strict.verifier.check(old)
    with pytest.raises(SignatureError, match="signs revisions"):
        newer.without(newer.key_id)


async def test_a_store_of_revisions_refuses_what_is_not_signed(signer: Signer) -> None:
    shelf = MemoryShelf()
    await Revisions(shelf).append({"hosts": 1}, actor="mallory", reason="planted")
    with pytest.raises(TamperedRevisionError, match=r"revision 1 .* no signature that is trusted"):
        await Revisions(shelf, signer=signer).latest()


async def test_clients_get_the_public_keys_only(signer: Signer) -> None:
    made = await revision(signer)
    public = json.dumps(signer.verifier.dump())
    assert base64.b64encode(signer.private).decode() not in public
    assert Verifier.load(json.loads(public)).check(made) == signer.key_id


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"algorithm": "rsa", "keys": {}},
        {"keys": 1},
        {"algorithm": "ed25519", "keys": {"s1": "aa=="}},
    ],
)
def test_changed_public_keys_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SignatureError, match="not as they were written"):
        Verifier.load(wrong)


def test_the_keys_are_kept_sealed_and_never_shown(store: SealedStore, tmp_path: Path) -> None:
    signer = kept_signer(store)
    assert kept_signer(store) == signer
    assert store.get(SECRET_PATH) == signer.dump()
    private = base64.b64encode(signer.private).decode()
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or private not in file.read_text(errors="replace")
    for shown in (repr(signer), str(signer), repr(signer.dump())):
        assert private not in shown
        assert repr(signer.private) not in shown
    newer = rotate_kept(store)
    assert kept_signer(store) == newer
    assert signer.key_id in newer.verifier.trusted


@pytest.mark.parametrize("wrong", ["", "{}", '{"private": "aa=="}', '{"private": 1}'])
def test_changed_keys_are_refused(wrong: str) -> None:
    with pytest.raises(SignatureError, match="Restore them") as caught:
        Signer.load(Secret(wrong))
    assert "Traceback" not in str(caught.value)


def test_a_private_key_without_its_public_one_is_refused(signer: Signer) -> None:
    document = json.loads(signer.dump().reveal()) | {"keys": Signer.new().verifier.dump()["keys"]}
    with pytest.raises(SignatureError, match="not as they were written"):
        Signer.load(Secret(json.dumps(document)))
