"""Envelopes: AES-256-GCM, a data key each, and no bit that can change (CX-02, CC-04, A5)."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from hxp_enterprise_llm.configuration.secrets.envelope import (
    KEY_BYTES,
    MAGIC,
    VERSION,
    key_id_of,
    rewrap,
    seal,
    unseal,
    version_of,
)
from hxp_enterprise_llm.configuration.secrets.errors import (
    SecretError,
    SecretRefusedError,
    TamperedError,
    UnknownKeyError,
)
from hxp_enterprise_llm.configuration.secrets.fernet import read_fernet


class FixedKeys:
    """Keys of a test; the last one seals."""

    def __init__(self, **keys: bytes) -> None:
        self.known = keys

    def current(self) -> tuple[str, bytes]:
        return list(self.known.items())[-1]

    def find(self, key_id: str) -> bytes:
        if key_id not in self.known:
            raise UnknownKeyError(f"no key {key_id}")
        return self.known[key_id]


def first_envelope(key_id: str, key: bytes, path: str, content: bytes, bound: bytes) -> bytes:
    """Return an envelope of version 1, which bound no environment."""

    def joined(*parts: bytes) -> bytes:
        return b"CSE\x01" + b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    data_key, first, second = b"d" * 32, b"1" * 12, b"2" * 12
    beside = joined(b"citadel data key", key_id.encode(), path.encode())
    sealed_key = AESGCM(key).encrypt(first, data_key, beside)
    sealed = AESGCM(data_key).encrypt(
        second, content, joined(b"citadel content", path.encode(), bound)
    )
    head = b"CSE\x01" + bytes((len(key_id),)) + key_id.encode()
    return head + first + sealed_key + second + sealed


BOUND = b"1 2026-11-21"


def opened(sealed: bytes, *, path: str = "postgres/admin", bound: bytes = BOUND) -> bytes:
    return unseal(KEYS, path, sealed, bound, environment="local")


KEYS = FixedKeys(k1=b"\x01" * KEY_BYTES)
SEALED = seal(KEYS, "postgres/admin", b"correct horse", BOUND, environment="local")
FIRST = first_envelope("k1", KEYS.known["k1"], "postgres/admin", b"correct horse", BOUND)


@pytest.mark.feature("CX-02", "CC-04", "A5")
@given(path=st.text(min_size=1), content=st.binary(), bound=st.binary(), name=st.text())
def test_what_was_sealed_opens_again(path: str, content: bytes, bound: bytes, name: str) -> None:
    sealed = seal(KEYS, path, content, bound, environment=name)
    assert unseal(KEYS, path, sealed, bound, environment=name) == content


@pytest.mark.feature("CX-02")
@given(
    place=st.tuples(st.text(), st.text(), st.binary()),
    other=st.tuples(st.text(), st.text(), st.binary()),
)
def test_an_envelope_opens_in_its_own_environment_and_nowhere_else(
    place: tuple[str, str, bytes], other: tuple[str, str, bytes]
) -> None:
    (environment, path, bound), (elsewhere, at, beside) = place, other
    sealed = seal(KEYS, path, b"correct horse", bound, environment=environment)
    if place == other:
        assert unseal(KEYS, at, sealed, beside, environment=elsewhere) == b"correct horse"
    else:
        with pytest.raises(TamperedError, match="made for another place, environment or key"):
            unseal(KEYS, at, sealed, beside, environment=elsewhere)


@pytest.mark.feature("CX-02")
def test_an_envelope_is_not_rewrapped_into_another_environment() -> None:
    both = FixedKeys(k1=KEYS.known["k1"], k2=b"\x02" * KEY_BYTES)
    with pytest.raises(TamperedError, match="another place, environment or key"):
        rewrap(both, "postgres/admin", SEALED, BOUND, environment="production")
    moved = rewrap(both, "postgres/admin", SEALED, BOUND, environment="local")
    assert key_id_of(moved, "postgres/admin") == "k2"


@pytest.mark.feature("CX-02")
def test_version_1_is_read_and_rewrap_binds_its_environment() -> None:
    for environment in ("local", "production", ""):
        assert unseal(KEYS, "postgres/admin", FIRST, BOUND, environment=environment)
    bound = rewrap(KEYS, "postgres/admin", FIRST, BOUND, environment="local")
    assert (version_of(FIRST, "a"), version_of(bound, "a")) == (1, VERSION)
    assert opened(bound) == b"correct horse"
    with pytest.raises(TamperedError):
        unseal(KEYS, "postgres/admin", bound, BOUND, environment="production")
    # The name of its version cannot be changed either way.
    for sealed, version in ((bound, 1), (FIRST, VERSION)):
        renamed = bytearray(sealed)
        renamed[len(MAGIC)] = version
        with pytest.raises(TamperedError):
            opened(bytes(renamed))


@pytest.mark.feature("CX-02")
@given(bit=st.integers(0, len(FIRST) * 8 - 1))
def test_a_bit_flipped_in_version_1_is_refused_and_not_sealed_anew(bit: int) -> None:
    changed = bytearray(FIRST)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SecretError):
        rewrap(KEYS, "postgres/admin", bytes(changed), BOUND, environment="local")


@pytest.mark.feature("CX-02", "A5")
@given(bit=st.integers(0, len(SEALED) * 8 - 1))
def test_a_bit_flipped_anywhere_is_refused(bit: int) -> None:
    changed = bytearray(SEALED)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SecretError):
        opened(bytes(changed))


def test_each_part_of_an_envelope_is_guarded_bit_by_bit() -> None:
    for bit in range(len(SEALED) * 8):
        changed = bytearray(SEALED)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SecretError):
            opened(bytes(changed))


@given(length=st.integers(0, len(SEALED) - 1))
def test_an_envelope_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(TamperedError):
        opened(SEALED[:length])


@given(data=st.binary(max_size=200))
def test_other_bytes_are_no_envelope(data: bytes) -> None:
    with pytest.raises(SecretError):
        unseal(KEYS, "postgres/admin", MAGIC + data)


@pytest.mark.feature("CX-02")
def test_an_envelope_opens_at_its_own_path_and_with_its_own_bound_bytes_only() -> None:
    with pytest.raises(TamperedError, match="secret redis/admin cannot be opened"):
        opened(SEALED, path="redis/admin")
    with pytest.raises(TamperedError):
        opened(SEALED, bound=b"2 2026-11-21")


@pytest.mark.feature("CX-02")
def test_a_key_of_another_id_opens_nothing_even_when_its_bytes_are_the_same() -> None:
    renamed = bytearray(SEALED)
    renamed[5:7] = b"k2"
    with pytest.raises(TamperedError):
        unseal(
            FixedKeys(k2=KEYS.known["k1"]),
            "postgres/admin",
            bytes(renamed),
            BOUND,
            environment="local",
        )


def test_an_envelope_of_a_later_version_is_refused_by_its_number() -> None:
    later = bytearray(SEALED)
    later[len(MAGIC)] = VERSION + 1
    with pytest.raises(TamperedError, match="its version is not 1 or 2"):
        unseal(KEYS, "postgres/admin", bytes(later))


@pytest.mark.feature("CX-02")
def test_two_envelopes_of_one_value_share_no_bytes_that_tell() -> None:
    again = seal(KEYS, "postgres/admin", b"correct horse", BOUND, environment="local")
    head = 5 + len("k1")
    assert again[:head] == SEALED[:head]
    assert again[head:][:24] != SEALED[head:][:24]
    assert again[-29:] != SEALED[-29:]


@pytest.mark.feature("CX-02", "CX-03")
def test_a_rewrapped_envelope_has_the_new_key_and_its_content_unopened() -> None:
    both = FixedKeys(k1=b"\x01" * KEY_BYTES, k2=b"\x02" * KEY_BYTES)
    moved = rewrap(both, "postgres/admin", SEALED, environment="local")
    assert key_id_of(SEALED, "postgres/admin") == "k1"
    assert key_id_of(moved, "postgres/admin") == "k2"
    # The nonce and the content of the document are those from before.
    assert moved[-(12 + 13 + 16) :] == SEALED[-(12 + 13 + 16) :]
    alone = FixedKeys(k2=b"\x02" * KEY_BYTES)
    content = unseal(alone, "postgres/admin", moved, BOUND, environment="local")
    assert content == b"correct horse"
    assert rewrap(both, "postgres/admin", moved, environment="local") == moved


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(UnknownKeyError, match="k1"):
        unseal(FixedKeys(k9=b"\x01" * KEY_BYTES), "postgres/admin", SEALED)


@pytest.mark.feature("CX-02", "A5")
def test_fernet_tokens_are_read_with_any_of_the_keys() -> None:
    old, new = Fernet.generate_key(), Fernet.generate_key()
    token = Fernet(old).encrypt(b"from before").decode()
    assert read_fernet(token + "\n", [new.decode(), old.decode() + "\n"]).reveal() == "from before"


@pytest.mark.feature("A5")
def test_a_changed_fernet_token_and_a_wrong_key_are_refused() -> None:
    key = Fernet.generate_key()
    token = Fernet(key).encrypt(b"from before").decode()
    with pytest.raises(TamperedError, match="Fernet token was changed"):
        read_fernet(token[:-4] + "AAA=", [key.decode()])
    with pytest.raises(SecretRefusedError, match="44 characters"):
        read_fernet(token, ["short"])
