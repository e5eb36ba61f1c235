"""The key: where it comes from, and what opens the door."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.gateway.keys import Key, read

VALUE = "ck_" + "a" * 32


@pytest.mark.parametrize("header", [f"Bearer {VALUE}", f"bearer {VALUE}", f"BEARER  {VALUE} "])
def test_the_key_opens(header: str) -> None:
    assert Key(VALUE).opens([(b"host", b"a"), (b"authorization", header.encode())])


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"")],
        [(b"authorization", VALUE.encode())],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Bearer \xff\xfe")],
        [(b"authorization", f"Bearer {VALUE[:-1]}".encode())],
        [(b"x-api-key", f"Bearer {VALUE}".encode())],
        # Two headers: a proxy before us may have looked at the other one.
        [(b"authorization", f"Bearer {VALUE}".encode())] * 2,
    ],
)
def test_nothing_else_opens(headers: list[tuple[bytes, bytes]]) -> None:
    assert not Key(VALUE).opens(headers)


def test_a_key_has_no_repr_of_its_value() -> None:
    assert VALUE not in repr(Key(VALUE)) + repr(vars(Key(VALUE)))


def test_the_key_is_read_from_the_units_credentials(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(VALUE + "\n")
    key = read("key", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert key.opens([(b"authorization", f"Bearer {VALUE}".encode())])


@pytest.mark.parametrize("content", ["", "short", "two words " + "a" * 20, "a\x00" + "a" * 20])
def test_a_credential_that_is_no_key_is_refused_unseen(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    with pytest.raises(CitadelError, match="is not a key") as caught:
        read("key", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert not content or content not in str(caught.value)


def test_a_missing_credential_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CitadelError, match="CREDENTIALS_DIRECTORY is not set"):
        read("key", {})
    (tmp_path / "odd").write_bytes(b"\xff" * 20)
    for name, why in (("key", "No such file"), ("odd", "it is not plain text")):
        with pytest.raises(CitadelError, match=f"{name} cannot be read .*: {why}") as caught:
            read(name, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
        assert f"Put the key into the file `{name}` there" in caught.value.next_step
