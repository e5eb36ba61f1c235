"""Canaries, damage and permissions."""

from __future__ import annotations

import base64
import logging
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.testing.security import Canary, damaged, expect_private, overheard

pytestmark = pytest.mark.feature("UT-10")
CANARY = Canary("canary/Ω+?=do-not-show")
BYTES = CANARY.value.encode()


@pytest.mark.parametrize(
    "text",
    [
        CANARY.value,
        base64.b64encode(BYTES).decode(),
        base64.urlsafe_b64encode(BYTES).decode(),
        BYTES.hex(),
        quote(CANARY.value, safe=""),
    ],
)
def test_a_canary_is_seen_in_every_form_and_not_repeated(text: str) -> None:
    for said in (text, text.encode(), SimpleNamespace(hidden=text), CitadelError(text)):
        with pytest.raises(AssertionError, match="number 2 of 2, has the canary") as told:
            CANARY.expect_hidden("nothing", f"log {text} line" if said is text else said)
        assert CANARY.value not in str(told.value)


def test_a_canary_is_seen_in_causes_attributes_and_files(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\xff" + BYTES)
    noted = CitadelError("a")
    noted.value = CANARY.value  # type: ignore[attr-defined]
    caused = CitadelError("a")
    caused.__cause__ = ValueError(CANARY.value)
    for said in (tmp_path / "log", noted, caused):
        with pytest.raises(AssertionError, match="has the canary as it is"):
            CANARY.expect_hidden(said)


def test_what_does_not_show_it_passes(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("fine")
    CANARY.expect_hidden("fine", b"\xff", tmp_path / "log", CANARY.secret, CitadelError("fine"))
    assert CANARY.secret.reveal() == CANARY.value


def test_loggers_of_all_libraries_are_heard_and_left_as_they_were() -> None:
    before = logging.getLogger().level, list(logging.getLogger().handlers)
    with overheard() as said:
        logging.getLogger("some.library").debug("a request")
    logging.getLogger("some.library").warning("afterwards")
    assert said.getvalue() == "a request\n"
    assert (logging.getLogger().level, list(logging.getLogger().handlers)) == before


def test_every_byte_is_damaged_by_one_bit() -> None:
    whole = bytes(range(20))
    found = dict(damaged(whole))
    assert list(found) == list(range(20))
    for place, wrong in found.items():
        differing = [at for at in range(20) if wrong[at] != whole[at]]
        assert differing == [place]
        assert (wrong[place] ^ whole[place]).bit_count() == 1
    assert [place for place, _ in damaged(whole, step=7)] == [0, 7, 14]


def test_a_file_that_others_can_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    expect_private(file)
    file.chmod(0o640)
    with pytest.raises(AssertionError, match="has mode 0640: others than its owner can use it"):
        expect_private(file)
