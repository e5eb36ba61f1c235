"""No text of an environment file breaks out of the file, unit or command that it ends up in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hxp_enterprise_llm.schemas import text
from hxp_enterprise_llm.schemas.models import EngineValue

QUOTES = "\"'`\\"
SHELL = QUOTES + "$;|<>{}(), #"
# Type → characters that would end a value where texts of this type stand.
DANGEROUS = {
    "AbsolutePath": SHELL + "%:",
    "KeyFile": SHELL + "%",
    "DatabaseName": SHELL + "%/-.",
    "DatabaseUser": SHELL + "%/-.",
    "Address": SHELL + "%/:[]",
    "SshUser": SHELL + "%/:=",
    "JumpHost": SHELL + "%/=",
    "Line": "",
    "VariableValue": "",
    "VariableName": SHELL + "%=-",
    "ServedName": SHELL + "%",
    "Locator": QUOTES + " ",
    "WebUrl": QUOTES + " <>",
    "KeyPrefix": SHELL + "%/",
}
BREAKS = "".join(map(chr, [*range(32), *range(127, 160), 0x2028, 0x2029]))
PIECES = st.sampled_from(
    [
        *SHELL,
        *BREAKS,
        "%",
        "-",
        "/",
        "..",
        ":",
        "@",
        "a",
        "z9",
        "10.0.0.1",
        "/opt",
        "all",
        "https://",
    ]
)
TEXTS = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=8).map("".join))


def refusal(name: str, value: Any) -> str | None:
    """Return why a type refuses a value; None when it takes it."""
    try:
        TypeAdapter(getattr(text, name)).validate_python(value)
    except ValidationError as error:
        return error.errors()[0]["msg"]
    return None


@pytest.mark.parametrize("name", DANGEROUS)
@given(value=TEXTS)
def test_a_text_is_refused_or_holds_nothing_that_ends_it(name: str, value: str) -> None:
    if refusal(name, value) is None:
        assert not set(value) & set(DANGEROUS[name] + BREAKS)


@pytest.mark.parametrize("name", ["SshUser", "JumpHost", "KeyFile", "Locator", "Address"])
@given(rest=TEXTS)
def test_no_text_of_a_command_is_an_option(name: str, rest: str) -> None:
    assert refusal(name, f"-{rest}") is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AbsolutePath", '/etc, owner: nobody, mode: "0777"'),
        ("AbsolutePath", "/opt/../etc"),
        ("AbsolutePath", "/opt/./data"),
        ("AbsolutePath", "/opt/%n"),
        ("AbsolutePath", "opt/data"),
        ("AbsolutePath", "/"),
        ("DatabaseName", "x all 0.0.0.0/0 trust\nhost all"),
        ("DatabaseName", "all"),
        ("DatabaseName", "replication"),
        ("DatabaseName", "postgres"),
        ("DatabaseUser", "postgres"),
        ("DatabaseUser", "citadel_monitor"),
        ("DatabaseUser", "pg_monitor"),
        ("DatabaseUser", "all"),
        ("DatabaseUser", "a" * 64),
        ("Address", '0.0.0.0", port: 1} #'),
        ("Address", "10.0.0.1\n"),
        ("Address", "10.0.0.256"),
        ("Address", "10.0.0"),
        ("SshUser", "-oProxyCommand=sh"),
        ("JumpHost", "-oProxyCommand=sh"),
        ("JumpHost", "-x@host"),
        ("JumpHost", "host:0"),
        ("JumpHost", "host:99999"),
        ("JumpHost", "a@one,b@two"),
        ("VariableValue", 'INFO"\nExecStartPre=+/bin/sh -c id'),
        ("VariableName", "OMP_X\nExecStartPre"),
        ("ServedName", 'x"\ny'),
        ("Locator", "--help"),
        ("WebUrl", "file:///etc/passwd"),
    ],
)
def test_what_broke_out_is_refused(name: str, value: str) -> None:
    assert refusal(name, value) is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AbsolutePath", "/srv/citadel/data-1.2"),
        ("KeyFile", "~/.ssh/id_ed25519"),
        ("DatabaseName", "citadel_ai"),
        ("DatabaseUser", "citadel_admin"),
        ("Address", "0.0.0.0"),
        ("Address", "llm-1.example.org"),
        ("SshUser", "citadel"),
        ("JumpHost", "host"),
        ("JumpHost", "citadel@192.168.10.1:22"),
        ("VariableValue", 'a "quoted" 100 % text'),
        ("ServedName", "Qwen/Qwen2.5-7B-Instruct"),
        ("Locator", "s3://citadel-state?region=eu-central-1"),
        ("WebUrl", "https://hooks.example.org/a?b=c"),
        ("KeyPrefix", "citadel:"),
    ],
)
def test_what_sites_write_is_taken(name: str, value: str) -> None:
    assert refusal(name, value) is None


@pytest.mark.parametrize("value", ["::1", "fe80::1%eth0", "[2001:db8::1]", "2001:db8::192.0.2.1"])
def test_ipv6_is_refused_in_a_sentence(value: str) -> None:
    assert "IPv6 is not supported yet" in (refusal("Address", value) or "")
    assert "IPv6 is not supported yet" in (refusal("JumpHost", f"user@{value}") or "")


@pytest.mark.parametrize("value", ["a\nb", "a\x00", ("a", "b\x1b")])
def test_an_engine_argument_has_no_control_characters(value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[Any](EngineValue).validate_python(value)
