"""Secrets that people wrote in clear are in no diff; references and variables stay."""

from __future__ import annotations

import pytest

from hxp_enterprise_llm.configuration.masking import masked_value, text_diff
from hxp_enterprise_llm.schemas.environment import Environment

SECRET = "hunter2SECRETCANARY"
KEY = "infrastructure_services:\n  api_gateway: {key: %s}\n"
NAMES = ("old", "new")


def diff(old: str, new: str) -> str:
    return "\n".join(text_diff(old, new, NAMES, Environment))


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        f'"{SECRET}" # once {SECRET}, again',
        f'"hunter\\x32SECRETCANARY" # {SECRET}',
        f"[{SECRET}, other]",
        f"{{{SECRET}: 1}}",
        f"\n      {SECRET}",
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_secret_in_clear_is_hidden_in_every_way_of_writing(
    written: str, mark: str, end: str
) -> None:
    text = f"schema: 1\ninfrastructure_services:\n  api_gateway:\n    key: {written}\n"
    old = f"{mark}{text}".replace("\n", end)
    shown = diff(old, old.replace("schema: 1", "") + "# end\n")
    assert "SECRETCANARY" not in shown
    assert "[redacted]" in shown
    assert "# end" in shown


def test_a_block_of_lines_is_hidden_and_the_lines_below_are_shown() -> None:
    block = f"integration_services:\n  cache:\n    password: |\n      {SECRET}\n      two{SECRET}\n"
    shown = diff(f"{block}    port: 1\n", f"{block}    port: 2\n").splitlines()
    assert not any(SECRET in line for line in shown)
    assert shown[-2:] == ["-    port: 1", "+    port: 2"]


def test_a_secret_that_changes_still_makes_a_line_each() -> None:
    shown = diff(KEY % SECRET, KEY % f"{SECRET}2")
    hidden = "  api_gateway: {key: [redacted]}"
    assert shown.splitlines()[-2:] == [f"-{hidden}", f"+{hidden}"]


@pytest.mark.parametrize("plain", ["env:KEY", "${KEY}", "vault:a/b#c", "null", "generated:key"])
def test_references_variables_and_null_are_shown(plain: str) -> None:
    shown = diff(KEY % f'"{plain}"' if plain != "null" else KEY % plain, "schema: 1\n")
    assert plain in shown
    assert "[redacted]" not in shown


@pytest.mark.parametrize(
    "text",
    [
        f"pasword: x\ndatabase_password: {SECRET}\n",
        f"state: {{backend: 'postgres://ann:{SECRET}@db/x'}}\n",
    ],
)
def test_names_and_addresses_that_tell_of_a_secret_hide_it_where_no_model_knows_the_key(
    text: str,
) -> None:
    assert SECRET not in diff(text, "schema: 1\n")


@pytest.mark.parametrize(
    "broken", [f"key: [{SECRET}\n", f"a: b: {SECRET}\n", f"{SECRET}\n\tx: {SECRET}\n"]
)
def test_of_what_cannot_be_read_no_value_is_shown(broken: str) -> None:
    shown = diff(broken, "schema: 1\n")
    assert SECRET not in shown
    assert "+schema: 1" in shown


def test_aliases_of_aliases_are_not_followed_for_ever() -> None:
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    bomb = "\n".join([f"a0: &a0 [{SECRET}]", *rows])
    assert SECRET not in diff(bomb, "schema: 1\n")


def test_values_are_masked_by_their_place() -> None:
    path = ("infrastructure_services", "api_gateway")
    assert masked_value({"key": SECRET, "port": 1}, path, Environment) == {
        "key": "[redacted]",
        "port": 1,
    }
    assert masked_value("env:KEY", (*path, "key"), Environment) == "env:KEY"
    assert masked_value([SECRET], (*path, "key"), Environment) == "[redacted]"
    assert masked_value(["a", 2, None], ("hosts",), Environment) == ["a", 2, None]
