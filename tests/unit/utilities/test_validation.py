"""Input from outside: what is wanted is said, what came never is."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, SecretStr

from hxp_enterprise_llm.core.exceptions import InvalidInputError
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.utilities import validation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.feature("UT-05")


class Key(CitadelModel):
    name: str = Field(max_length=8)
    limit: int = 1
    value: SecretStr


def refused(check: Callable[..., Any], value: Any, **options: Any) -> InvalidInputError:
    with pytest.raises(InvalidInputError, match="the request") as caught:
        check(value, where="the request", **options)
    assert caught.value.next_step
    return caught.value


def test_a_model_comes_out_typed() -> None:
    key = validation.model(Key, {"name": "a", "value": "x"}, where="the request")
    assert (key.name, key.limit) == ("a", 1)


def test_every_wrong_field_of_a_model_is_named_and_no_value_is_shown() -> None:
    data = {"name": "hunter22-hunter22", "limit": "hunter22", "extra": "hunter22"}
    with pytest.raises(InvalidInputError) as caught:
        validation.model(Key, data, where="the key")
    text = str(caught.value)
    for field in ("name", "limit", "extra", "value"):
        assert f"{field}: " in text
    assert "hunter22" not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_whole_of_the_wrong_kind_is_named_too() -> None:
    with pytest.raises(InvalidInputError, match="the whole: "):
        validation.model(Key, ["x"], where="the key")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_json_document_comes_through(data: Any) -> None:
    raw = json.dumps(data).encode()
    assert validation.json_document(raw, where="the request") == data


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (b"{", "JSON"),
        (b'{"a": 1, "a": 2}', "each key once"),
        (b'{"a": NaN}', "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 50 + b"]" * 50, "nested at most 32 deep"),
        (b"[" * 100_000, "nested at most 32 deep"),
        (b'"' + b"x" * 2**20 + b'"', "at most 1048576 bytes"),
    ],
)
def test_other_documents_are_refused(raw: bytes, wanted: str) -> None:
    assert wanted in refused(validation.json_document, raw).next_step


def test_brackets_in_texts_are_no_depth() -> None:
    data = {"a\\": "[[[[" * 100 + '"{'}
    raw = json.dumps(data).encode()
    assert validation.json_document(raw, where="the request", most_depth=1) == data


@pytest.mark.parametrize("raw", [b'"' + b'\\"' * 60_000, b'"' * 600_001, b'"' + b"\\" * 600_000])
def test_a_document_made_to_be_slow_is_not(raw: bytes) -> None:
    began = time.process_time()
    refused(validation.json_document, raw)
    assert time.process_time() - began < 2


def test_texts_are_printable_and_of_a_known_length() -> None:
    assert validation.text("Zwölf €", where="the request", most=10) == "Zwölf €"
    assert validation.text("a\n\tb", where="the request", most=10, lines=True) == "a\n\tb"
    assert validation.text("", where="the request", most=10, least=0) == ""
    for wrong in ("", "x" * 11, "a\nb", "a\x00", 5, None, b"x"):
        refused(validation.text, wrong, most=10)
    refused(validation.text, "a\x1b\n", most=10, lines=True)


def test_names_of_ours_have_one_form() -> None:
    assert validation.identifier("vllm-small_2", where="the request") == "vllm-small_2"
    for wrong in ("", "2nd", "Upper", "a b", "a" * 64, "a\n", "ä", 5):
        refused(validation.identifier, wrong)


def test_numbers_have_limits() -> None:
    assert validation.number(5, where="the request", least=0, most=10) == 5.0
    for wrong in (-1, 11, float("nan"), float("inf"), True, "5", None):
        refused(validation.number, wrong, least=0, most=10)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("llm-1:8000", ("llm-1", 8000)),
        ("192.0.2.1:80", ("192.0.2.1", 80)),
        ("[2001:db8::1]:65535", ("2001:db8::1", 65535)),
    ],
)
def test_addresses_have_host_and_port(value: str, found: tuple[str, int]) -> None:
    assert validation.address(value, where="the request") == found


@pytest.mark.parametrize(
    "wrong",
    [
        *["llm-1", "llm-1:", ":80", "llm-1:0", "llm-1:65536", "llm-1:080", "300.0.2.1:80"],
        *["-x:80", "a..b:80", "u@h:80", "2001:db8::1:80", "[x]:80", "[]:80", "h:80\n", 80, None],
    ],
)
def test_other_addresses_are_refused(wrong: Any) -> None:
    refused(validation.address, wrong)


@pytest.mark.parametrize(
    "value",
    ["https://vault:8200/v1?a=b", "http://192.0.2.1", "http://[2001:db8::1]:80/x", "https://a.b/"],
)
def test_urls_come_through(value: str) -> None:
    assert validation.url(value, where="the request") == value


@pytest.mark.parametrize(
    "wrong",
    [
        *["ftp://a", "//a", "a", "http://", "http://u:p@a", "http://a#x", "http://a b", "http://ä"],
        *["http://a:99999", "http://[x", "http://a\n", "http://" + "a" * 3000, "http://a..b", 5],
    ],
)
def test_other_urls_are_refused(wrong: Any) -> None:
    refused(validation.url, wrong)


def test_a_scheme_that_is_not_asked_for_is_refused() -> None:
    refused(validation.url, "http://a", schemes=("https",))


def test_a_path_stays_below_its_folder(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "sub").mkdir(parents=True)
    outside.mkdir()
    (root / "link").symlink_to(outside)
    (root / "inner").symlink_to(root / "sub")
    inside = validation.path_below(root, "sub/file", where="the request")
    assert inside == root.resolve() / "sub" / "file"
    assert validation.path_below(root, "inner/x", where="the request") == root / "sub" / "x"
    for wrong in ("../outside/x", "/etc/passwd", "link/x", "sub/../..", ".", "", "a\x00b", 5):
        with pytest.raises(InvalidInputError, match="the request"):
            validation.path_below(root, wrong, where="the request")


def test_headers_cannot_end_early() -> None:
    given = {"X-Request-Id": "a b\tc", "Accept": "ä"}
    assert validation.headers(given, where="the request") == {
        "x-request-id": "a b\tc",
        "accept": "ä",
    }
    for wrong in ({"a b": "x"}, {"": "x"}, {"a": "x\r\nb: y"}, {"a": "x\x00"}, {"a": "x" * 8193}):
        refused(validation.headers, wrong)
