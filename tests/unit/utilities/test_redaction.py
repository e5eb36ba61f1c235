"""Secrets are hidden by name, by form and by value; what is left is plain and short."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxp_enterprise_llm.utilities.redaction import (
    _ASSIGNED,
    _PATTERNS,
    HIDDEN,
    Redactor,
    is_secret_name,
    shown_key,
)

pytestmark = pytest.mark.feature("UT-06")

CANARY = 'c4nary-"Zwölf"-value'


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_password",
        "PASSWORD",
        "clientSecret",
        "api-key",
        "apiKey",
        "X-API-Key",
        "authorization",
        "Set-Cookie",
        "private_key",
        "vault.token",
        "credentials",
        "data_key",
    ],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["max_tokens", "prompt_tokens", "key_id", "secret_path", "token_count", "keyboard", ""]
)
def test_names_that_only_look_like_it_are_shown(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc.def-123", None),
        ("postgres://citadel:s3cr3t!@db:5432/x", "postgres://citadel:[redacted]@db:5432/x"),
        ("dsn: host=db password=hunter22 port=5", "dsn: host=db password=[redacted] port=5"),
        ("{'api_key': 'hunter22', 'n': 1}", "{'api_key': [redacted], 'n': 1}"),
        ('{"token": "a b c"}', '{"token": [redacted]}'),
        ("GET /?token=hunter22&n=1", "GET /?token=[redacted]&n=1"),
        (
            r'{"body": "{\"password\": \"hunter22\", \"n\": 1}"}',
            r'{"body": "{\"password\": [redacted], \"n\": 1}"}',
        ),
        (r'{"password": "ab\"hunter22", "n": 1}', '{"password": [redacted], "n": 1}'),
        ("{'password': 'ab\\'hunter22'}", "{'password': [redacted]}"),
        ('{"password": "cut hunter22', '{"password": [redacted]'),
        ('{"tokens": 1, "token": ["a", "hunter22"]}', '{"tokens": 1, "token": [redacted]}'),
        ("postgres://u:p@hunter22@db:5432/x", "postgres://u:[redacted]@db:5432/x"),
        ("postgres://u:p/hunter22@db:5432/x", "postgres://u:[redacted]@db:5432/x"),
        ("http://h:8080/a?mail=x@y and more", "http://h:8080/a?mail=x@y and more"),
        (f"key ck_{'aB3_-' * 8}xyz was used", "key [redacted] was used"),
        ("check constraint ck_users_email", "check constraint ck_users_email"),
        (r"line\nsk-abcdefgh12345678", r"line\n[redacted]"),
        ("key sk-abcdefgh12345678 was used", "key [redacted] was used"),
        ("hvs.CAESIJabcdefghij", HIDDEN),
        ("eyJhbGciOi.eyJzdWIiOiIx.c2lnbmF0dXJl", HIDDEN),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nend",
            "[redacted]\nend",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMIIE cut", HIDDEN),
        ("max_tokens=512 of 4096 tokens", "max_tokens=512 of 4096 tokens"),
        ("http://[2001:db8::1]:80/v1 at 12:30:00", "http://[2001:db8::1]:80/v1 at 12:30:00"),
    ],
)
def test_forms_of_secrets_are_hidden_in_any_text(text: str, shown: str | None) -> None:
    found = Redactor().text(text)
    assert "hunter22" not in found
    assert "abc.def-123" not in found
    if shown is not None:
        assert found == shown


def twice(text: str) -> str:
    return json.dumps(json.dumps(text)[1:-1])[1:-1]


@pytest.mark.parametrize(
    "encode",
    [
        str,
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
        lambda text: repr(text)[1:-1],
        twice,
        quote,
        lambda text: quote(text, safe=""),
        quote_plus,
        lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
        lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
    ],
)
@given(value=st.text(st.characters(codec="utf-8"), min_size=6, max_size=60))
def test_any_value_that_was_learnt_is_hidden_in_each_encoding(
    encode: Callable[[str], str], value: str
) -> None:
    redactor = Redactor()
    redactor.learn(value)
    assert redactor.text(f"<{encode(value)}>") == f"<{HIDDEN}>"


@given(st.text("ab", min_size=6, max_size=12), st.text("ab", max_size=8), st.text("ab", max_size=8))
def test_values_that_hold_or_overlap_each_other_leave_nothing(
    common: str, before: str, after: str
) -> None:
    redactor = Redactor()
    for value in (common, before + common, common + after):
        redactor.learn(value)
    assert redactor.text(f"<{before}{common}{after}>") == f"<{HIDDEN}>"


@given(st.integers(10**5, 10**40))
def test_a_value_of_digits_is_hidden_as_a_number_too(number: int) -> None:
    redactor = Redactor()
    redactor.learn(f"00{number}")
    shown = redactor.data({"pin": number, "n": [number, -number], "yes": True, "few": 12, "f": 1.5})
    assert shown == {"pin": HIDDEN, "n": [HIDDEN, HIDDEN], "yes": True, "few": 12, "f": 1.5}
    redactor.forget()
    assert redactor.data(number) == number


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_value_that_was_learnt_shows_up_in_no_encoding(before: str, after: str) -> None:
    redactor = Redactor()
    redactor.learn(CANARY)
    encoded = base64.b64encode(CANARY.encode()).decode()
    forms = (CANARY, json.dumps(CANARY), repr(CANARY), quote(CANARY), encoded)
    for form in forms:
        shown = redactor.text(f"{before} {form} {after}")
        assert CANARY not in shown
        assert form.strip("\"'=") not in shown
    shown = json.dumps(redactor.data({"a": [{"b": (CANARY, {CANARY})}], CANARY: 1}))
    assert CANARY not in shown
    assert json.dumps(CANARY)[1:-1] not in shown


def test_a_value_at_the_edge_of_a_cut_text_is_not_left_in_half() -> None:
    redactor = Redactor()
    redactor.learn("geheimnis-eins")
    shown = redactor.text("x" * 16_380 + "geheimnis-eins")
    assert "gehe" not in shown
    assert len(shown) < 16_500


def test_short_values_are_not_learnt_and_all_can_be_forgotten() -> None:
    redactor = Redactor()
    redactor.learn("abc")
    redactor.learn("geheimnis-eins")
    assert redactor.text("abc geheimnis-eins") == f"abc {HIDDEN}"
    redactor.forget()
    assert redactor.text("geheimnis-eins") == "geheimnis-eins"


@pytest.mark.parametrize("text", ["0af7651916cd43dd8448eb211c80319c", "edge 1: geheimnis-eins"])
def test_a_value_is_hidden_from_then_on_where_it_was_shown_before(text: str) -> None:
    redactor = Redactor()
    assert [redactor.text(text) for _ in range(2)] == [text, text]
    redactor.learn(text)
    assert redactor.text(text) == HIDDEN
    assert redactor.data({"id": text, text: [text]}) == {"id": HIDDEN, HIDDEN: [HIDDEN]}
    redactor.forget()
    assert redactor.text(text) == text


@given(st.text(st.characters(codec="utf-8", categories=["Ll", "Nd", "Lo"]), max_size=60))
def test_a_text_of_small_letters_and_digits_has_no_form_of_a_secret(text: str) -> None:
    assert not any(pattern.search(text) for pattern, _ in (*_PATTERNS, *_ASSIGNED))


def test_what_is_remembered_is_bounded() -> None:
    redactor = Redactor()
    for number in range(5000):
        redactor.text(f"request {number}")
    assert len(redactor._clean) <= 1024


def test_data_becomes_plain_json_of_bounded_size() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    deep: list[object] = []
    for _ in range(30):
        deep = [deep]
    shown = Redactor().data(
        {
            "none": None,
            "yes": True,
            "n": 3,
            "f": 1.5,
            "nan": float("nan"),
            "password": "x",
            "empty_password": "",
            "many": list(range(200)),
            "broken": Broken(),
            "deep": deep,
            "error": ValueError("token=hunter22"),
            5: "key",
            "long": "y" * 20_000,
            "wide": {str(number): number for number in range(150)},
        }
    )
    text = json.dumps(shown, allow_nan=False, ensure_ascii=False)
    assert shown["nan"] == "nan"
    assert (shown["password"], shown["empty_password"]) == (HIDDEN, "")
    assert (len(shown["many"]), shown["many"][-1]) == (101, "… (200 items)")
    assert shown["wide"]["…"] == "150 items"
    assert "whose repr raises RuntimeError" in shown["broken"]
    assert shown["error"] == f"token={HIDDEN}"
    assert (shown["none"], shown["yes"], shown["n"], shown["f"]) == (None, True, 3, 1.5)
    assert shown["5"] == "key"
    assert "…" in text
    assert len(text) < 25_000


def test_control_characters_cannot_forge_a_line() -> None:
    assert Redactor().text("a\x1b[2J\rb\x7f\x9b\n\tc") == "a\\x1b[2J\\x0db\\x7f\\x9b\n\tc"


@pytest.mark.parametrize("key", ["hosts", "llm-1", "models/Smol.2", "0", "größe", "x" * 60])
def test_keys_that_are_names_are_shown_in_messages(key: str) -> None:
    assert shown_key(key) == key


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("root:$6$abc$hunter22", "root… (20 characters)"),
        ("two\nlines", "two… (9 characters)"),
        ("x" * 61, "xxxx… (61 characters)"),
        (f"sk-{'a' * 30}", "sk-a… (33 characters)"),
        ("=hunter22", "… (9 characters)"),
    ],
)
def test_keys_that_may_be_secrets_are_shortened_in_messages(key: str, shown: str) -> None:
    assert shown_key(key) == shown


@given(st.text(max_size=200))
def test_a_key_in_a_message_is_short_and_on_one_line(key: str) -> None:
    shown = shown_key(key)
    assert len(shown) <= 60
    assert shown.isprintable()
