"""`citadel secrets` on a checkout of the test's own."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from hxp_enterprise_llm.cli.main import run
from hxp_enterprise_llm.configuration.secrets import Secret, Secrets
from hxp_enterprise_llm.configuration.secrets.backup import Saved
from hxp_enterprise_llm.configuration.secrets.keyring import KeyRing
from hxp_enterprise_llm.configuration.secrets.store import SealedStore

Capture = pytest.CaptureFixture[str]
CANARY = "canary-c1i-51f3"
PASSPHRASE = "correct horse battery"


class Terminal(io.StringIO):
    """What a terminal would show, or type."""

    def isatty(self) -> bool:
        return True


def test_a_value_comes_in_by_a_pipe_and_is_never_shown(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    assert piped("set", "local", "smtp/password", stdin=f"{CANARY}\n") == 0
    assert piped("get", "local", "smtp/password") == 0
    assert piped("list", "local", "--output", "json") == 0
    shown = capsys.readouterr()
    assert CANARY not in shown.out + shown.err
    assert "smtp/password is set, version 1" in shown.out
    assert Secrets(state).resolve("generated:smtp/password").reveal() == CANARY


def test_without_a_value_nothing_is_set(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    assert piped("set", "local", "smtp/password", stdin="\n") == 3
    assert "there is no value" in capsys.readouterr().err
    assert not (state / "secrets.json").exists()


def test_a_secret_is_not_revealed_into_a_pipe(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    piped("set", "local", "a", stdin=CANARY)
    for form in ((), ("--output", "json")):
        assert piped("get", "local", "a", "--reveal", *form) == 3
    shown = capsys.readouterr()
    assert CANARY not in shown.out + shown.err
    assert "on a terminal only" in shown.err


def test_a_secret_is_revealed_on_a_terminal_when_asked(
    state: Path, piped: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown(*words: str) -> str:
        screen = Terminal()
        monkeypatch.setattr("sys.stdout", screen)
        assert piped(*words) == 0
        return screen.getvalue()

    piped("set", "local", "a", stdin=CANARY)
    assert CANARY not in shown("get", "local", "a")
    assert shown("get", "local", "a", "--reveal") == f"{CANARY}\n"
    document = json.loads(shown("get", "local", "a", "--reveal", "--output", "json"))
    assert document["value"] == CANARY


def test_a_value_goes_to_a_new_file_of_its_owners_only(
    state: Path, piped: Callable[..., int], capsys: Capture, tmp_path: Path
) -> None:
    piped("set", "local", "a", stdin=CANARY)
    assert piped("get", "local", "a", "--to", "value") == 0
    assert (tmp_path / "value").read_text() == CANARY
    assert (tmp_path / "value").stat().st_mode & 0o777 == 0o600
    assert piped("get", "local", "a", "--to", "value") == 3
    assert piped("get", "local", "a", "--to", "no/folder") == 1
    assert CANARY not in "".join(capsys.readouterr())


@pytest.mark.feature("A5")
def test_a_fernet_token_of_an_older_system_is_kept_as_aes_256(
    state: Path, piped: Callable[..., int], tmp_path: Path
) -> None:
    key = Fernet.generate_key()
    (tmp_path / "fernet.key").write_bytes(key)
    (tmp_path / "fernet.key").chmod(0o600)
    token = Fernet(key).encrypt(CANARY.encode()).decode()
    assert piped("set", "local", "a", "--fernet-key", "fernet.key", stdin=token) == 0
    assert SealedStore(state).get("a").reveal() == CANARY
    assert json.loads((state / "secrets.json").read_text())["cipher"] == "AES-256-GCM"


@pytest.mark.feature("CX-03")
def test_rekey_seals_all_environments_anew(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    other = state.parent / "other"
    piped("set", "local", "a", stdin="1")
    other.mkdir()
    SealedStore(other).set("b", Secret("2"))
    before = KeyRing(state.parent / "secrets.key").current()[0]
    assert piped("rekey", "--dry-run") == 0
    assert KeyRing(state.parent / "secrets.key").current()[0] == before
    capsys.readouterr()
    assert piped("rekey", "--output", "json") == 0
    done = json.loads(capsys.readouterr().out)
    assert done["environments"] == {"local": 1, "other": 1}
    assert done["retired"] == [before]
    assert SealedStore(state).get("a").reveal() == "1"
    assert SealedStore(other).used_keys() == {done["key_id"]}
    assert piped("rekey") == 0
    assert "local: 1 sealed with k" in capsys.readouterr().out


@pytest.mark.feature("CX-05")
def test_each_read_and_write_stands_in_the_audit_log(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    piped("set", "local", "a", stdin=CANARY)
    piped("get", "local", "a", "--to", "value")
    piped("get", "local", "unknown")
    capsys.readouterr()
    assert piped("audit", "local", "--output", "json") == 0
    shown = capsys.readouterr().out
    records = json.loads(shown)["records"]
    assert [(item["action"], item["resource"], item["outcome"]) for item in records] == [
        ("secret.write", "generated:a", "ok"),
        ("secret.read", "generated:a", "ok"),
        ("secret.list", "generated:a", "ok"),
        ("secret.list", "generated:unknown", "missing"),
    ]
    assert all(item["actor"].startswith("person:") for item in records)
    assert CANARY not in shown + (state / "audit.jsonl").read_text()
    head = json.loads(shown)["head"]
    assert piped("audit", "local", "--since", head) == 0
    assert "the chain of 4 records is whole" in capsys.readouterr().out


@pytest.mark.feature("CX-05")
def test_an_audit_log_that_was_changed_or_cut_is_refused(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    piped("set", "local", "a", stdin="1")
    piped("set", "local", "a", stdin="2")
    capsys.readouterr()
    piped("audit", "local", "--output", "json")
    head = json.loads(capsys.readouterr().out)["head"]
    log = state / "audit.jsonl"
    first, second = log.read_text().splitlines(keepends=True)
    log.write_text(first)
    assert piped("audit", "local") == 0
    assert piped("audit", "local", "--since", head) == 1
    log.write_text(first.replace("person:", "nobody:") + second)
    assert piped("audit", "local") == 1
    assert "record 1 was changed" in capsys.readouterr().err
    assert piped("audit", "local", "--since", "x") == 3


def test_doctor_says_what_is_wrong_and_what_is_due(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    piped("set", "local", "a", stdin="1")
    assert piped("doctor", "local") == 0
    store = SealedStore(state)
    store.set("old", Secret("o1"), made_at=datetime.now(UTC) - timedelta(days=90))
    assert piped("doctor", "local") == 2
    (state.parent / "secrets.key").chmod(0o644)
    capsys.readouterr()
    assert piped("doctor", "local", "--output", "json") == 1
    found = {item["check"]: item for item in json.loads(capsys.readouterr().out)}
    assert found["key ring"]["state"] == "fault"
    assert "chmod 600" in found["key ring"]["text"]
    assert found["audit log"]["state"] == "ok"


@pytest.mark.feature("CX-03")
def test_doctor_sees_a_file_of_an_older_format_until_it_is_rekeyed(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    state.mkdir(parents=True)
    formats = Path(__file__).parents[1] / "configuration/secrets/formats"
    for name, target in (("ring.json", "secrets.key"), ("sealed-2.json", "local/secrets.json")):
        (state.parent / target).write_bytes((formats / name).read_bytes())
        (state.parent / target).chmod(0o600)
    assert piped("doctor", "local") == 2
    assert "older format, which binds no environment" in capsys.readouterr().out
    assert piped("rekey") == 0
    piped("doctor", "local")
    assert "3 secrets open" in capsys.readouterr().out


def test_doctor_sees_a_key_that_is_due_and_a_rekey_that_did_not_end(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    state.mkdir(parents=True)
    long_ago = datetime.now(UTC) - timedelta(days=90)
    ring = KeyRing(state.parent / "secrets.key", clock=lambda: long_ago)
    SealedStore(state, ring=ring).set("a", Secret("1"))
    assert piped("doctor", "local") == 2
    assert "the key is 90 days old" in capsys.readouterr().out
    KeyRing(state.parent / "secrets.key").add_key()
    assert piped("doctor", "local") == 2
    assert "a rekey did not end" in capsys.readouterr().out
    assert piped("rekey") == 0
    assert piped("doctor", "local") == 0


@pytest.mark.feature("CX-05")
def test_a_backup_brings_secrets_back_and_is_checked_before(
    state: Path, piped: Callable[..., int], capsys: Capture, tmp_path: Path
) -> None:
    piped("set", "local", "a", stdin=CANARY)
    assert piped("backup", "local", "kept", stdin=PASSPHRASE) == 0
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o600
    assert piped("backup", "local", "kept", stdin=PASSPHRASE) == 3
    (state / "secrets.json").unlink()
    (state.parent / "secrets.key").unlink()
    assert piped("restore", "local", "kept", stdin="another passphrase") == 1
    assert "passphrase is not the one" in capsys.readouterr().err
    assert piped("restore", "local", "kept", "--dry-run", stdin=PASSPHRASE) == 0
    assert not (state / "secrets.json").exists()
    assert piped("restore", "local", "kept", stdin=PASSPHRASE) == 0
    assert SealedStore(state).get("a").reveal() == CANARY
    SealedStore(state).set("a", Secret("changed"))
    assert piped("restore", "local", "kept", stdin=PASSPHRASE) == 3
    assert piped("restore", "local", "kept", "--replace", "--output", "json", stdin=PASSPHRASE) == 0
    assert SealedStore(state).get("a").reveal() == CANARY
    assert piped("restore", "local", "none", stdin=PASSPHRASE) == 1
    shown = "".join(capsys.readouterr())
    assert CANARY not in shown
    assert PASSPHRASE not in shown
    assert CANARY not in (tmp_path / "kept").read_text()


@pytest.mark.feature("CX-05")
def test_a_backup_of_another_environment_is_named_and_refused_unless_meant(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    other = state.parents[1] / "stacks/environments/other.yaml"
    other.write_text((other.parent / "local.yaml").read_text())
    piped("set", "local", "a", stdin=CANARY)
    piped("backup", "local", "kept", stdin=PASSPHRASE)
    assert piped("restore", "other", "kept", stdin=PASSPHRASE) == 3
    assert "is of environment local, not of other" in capsys.readouterr().err
    assert piped("restore", "other", "kept", "--foreign", stdin=PASSPHRASE) == 0
    assert "backup local of " in capsys.readouterr().out
    assert SealedStore(state.parent / "other").get("a").reveal() == CANARY


def test_a_typed_value_is_asked_for_twice_without_echo(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    asked: list[dict[str, object]] = []

    def prompt(text: str, **options: object) -> str:
        asked.append(options)
        return CANARY

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("typer.prompt", prompt)
    assert run(["secrets", "set", "local", "a"]) == 0
    assert asked == [{"hide_input": True, "confirmation_prompt": True, "err": True}]
    assert CANARY not in "".join(capsys.readouterr())


def test_a_remote_backend_is_opened_for_an_address_that_names_it(
    state: Path, piped: Callable[..., int], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    monkeypatch.delenv("BAO_ADDR", raising=False)
    assert piped("get", "local", "vault:kv/app#token") == 3
    assert "VAULT_ADDR is not set" in capsys.readouterr().err
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    monkeypatch.setenv("VAULT_TOKEN", "t")
    assert piped("get", "local", "vault:kv/app#token") == 4
    assert "cannot be reached" in capsys.readouterr().err
    assert piped("set", "local", "env:NAME", stdin="x") == 3
    assert "cannot be written" in capsys.readouterr().err


def _doctored(piped: Callable[..., int], capsys: Capture) -> tuple[int, dict[str, tuple[str, str]]]:
    capsys.readouterr()
    code = piped("doctor", "local", "--output", "json")
    found = json.loads(capsys.readouterr().out)
    return code, {item["check"]: (item["state"], item["text"]) for item in found}


def test_doctor_misses_a_sealed_file_that_the_log_or_the_ring_knows_of(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    assert piped("doctor", "local") == 0
    piped("set", "local", "smtp/password", stdin="1")
    (state / "secrets.json").unlink()
    code, found = _doctored(piped, capsys)
    assert (code, found["sealed file"][0]) == (1, "fault")
    assert "the audit log knows of smtp/password" in found["sealed file"][1]
    assert "citadel secrets restore" in found["sealed file"][1]
    (state / "audit.jsonl").unlink()
    code, found = _doctored(piped, capsys)
    assert (code, found["sealed file"][0]) == (1, "fault")
    assert "has a key" in found["sealed file"][1]


@pytest.mark.feature("CX-04")
@pytest.mark.parametrize(
    ("name", "check"), [("secrets.json", "sealed file"), ("audit.jsonl", "audit log")]
)
def test_doctor_tells_a_file_that_others_can_write(
    state: Path, piped: Callable[..., int], capsys: Capture, name: str, check: str
) -> None:
    piped("set", "local", "a", stdin="1")
    (state / name).chmod(0o666)
    code, found = _doctored(piped, capsys)
    assert (code, found[check][0]) == (1, "fault")
    assert f"chmod 600 {state / name}" in found[check][1]


@pytest.mark.feature("CX-03")
def test_a_time_in_the_future_is_told_by_doctor_due_and_get(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    state.mkdir(parents=True)
    SealedStore(state).set("a", Secret("1"), made_at=datetime.now(UTC) + timedelta(days=3650))
    code, found = _doctored(piped, capsys)
    assert (code, found["ages"][0]) == (2, "due")
    assert "generated:a: set in the future" in found["ages"][1]
    assert piped("due", "local") == 2
    assert "set in the future, so a clock was wrong: generated:a" in capsys.readouterr().err
    assert piped("get", "local", "a") == 0
    assert "of the future old" not in (shown := capsys.readouterr().out)
    assert "of the future" in shown


@pytest.mark.feature("CX-03")
def test_doctor_tells_a_rotation_that_did_not_end(
    state: Path, piped: Callable[..., int], capsys: Capture, tmp_path: Path
) -> None:
    hook = tmp_path / "renew"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o700)
    piped("set", "local", "a", stdin="1")
    assert piped("rule", "local", "a", "--hook", str(hook)) == 0
    assert piped("rotate", "local", "a") == 1
    code, found = _doctored(piped, capsys)
    assert (code, found["sealed file"][0]) == (2, "due")
    assert "the rotation of a did not end" in found["sealed file"][1]
    assert piped("get", "local", "a") == 0
    assert "a rotation did not end" in capsys.readouterr().out
    hook.write_text("#!/bin/sh\n")
    assert piped("rotate", "local", "a") == 0
    assert _doctored(piped, capsys)[0] == 0


@pytest.mark.feature("CX-04")
def test_a_rule_that_was_changed_runs_no_program_and_is_told_by_each_command(
    state: Path, piped: Callable[..., int], capsys: Capture, tmp_path: Path
) -> None:
    intruder = tmp_path / "intruder"
    intruder.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    intruder.chmod(0o700)
    state.mkdir(parents=True)
    long_ago = datetime.now(UTC) - timedelta(days=91)
    SealedStore(state).set("a", Secret("1"), made_at=long_ago)
    document = json.loads((state / "secrets.json").read_text())
    document["entries"]["a"]["rotation"]["hook"] = str(intruder)
    (state / "secrets.json").write_text(json.dumps(document))
    before = (state / "secrets.json").read_bytes()
    for words in (
        ("due", "local"),
        ("rotate", "local", "a"),
        ("rotate", "local", "--due"),
        ("rule", "local", "a"),
        ("rule", "local", "a", "--every", "7"),
        ("set", "local", "a"),
        ("get", "local", "a"),
        ("list", "local"),
        ("rekey",),
        ("rekey", "--dry-run"),
        ("doctor", "local"),
    ):
        capsys.readouterr()
        assert piped(*words, stdin="new") == 1, words
        # A table breaks long lines.
        shown = " ".join("".join(capsys.readouterr()).split())
        assert "secret a was changed" in shown, words
    assert not (tmp_path / "ran").exists()
    assert (state / "secrets.json").read_bytes() == before


@pytest.mark.parametrize("form", [(), ("--output", "json")])
@pytest.mark.parametrize(
    "words",
    [
        ("set", "local", "a/b", CANARY),
        ("set", "local", "a/b", "more", CANARY),
        ("set", "local", "a/b", f"--value={CANARY}"),
        ("backup", "local", "file", CANARY),
        ("get", "local", "a", CANARY),
        ("audit", "local", "--last", CANARY),
    ],
)
def test_a_value_among_the_words_is_never_repeated(
    state: Path, piped: Callable[..., int], capsys: Capture, words: tuple[str, ...], form: Any
) -> None:
    assert piped(*words, *form, stdin="x") in {1, 3}
    shown = capsys.readouterr()
    assert shown.out + shown.err
    assert CANARY not in shown.out + shown.err
    assert not (state / "secrets.json").exists()


def test_a_value_as_an_argument_is_refused_with_what_to_do(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    assert piped("set", "local", "a/b", CANARY, stdin="x") == 3
    shown = capsys.readouterr().err
    assert "never given as an argument" in shown
    assert "pipe it in" in shown


@pytest.mark.parametrize("since", ["²:a", "x", "1:", ":a", "1:a b", "9" * 5000 + ":a", "-1:a"])
def test_a_head_of_another_form_is_refused(
    state: Path, piped: Callable[..., int], capsys: Capture, since: str
) -> None:
    assert piped("audit", "local", f"--since={since}") == 3
    assert "NUMBER:DIGEST" in capsys.readouterr().err


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_value_that_is_no_text_is_refused(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, errors: str
) -> None:
    pipe = io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8", errors=errors)
    monkeypatch.setattr("sys.stdin", pipe)
    assert run(["secrets", "set", "local", "a"]) == 3
    assert "no text in UTF-8" in capsys.readouterr().err


def test_a_name_with_a_line_break_is_refused_and_an_old_one_breaks_no_table(
    state: Path, piped: Callable[..., int], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert piped("set", "local", "a\nb", stdin="1") == 3
    assert "cannot be shown" in capsys.readouterr().err
    state.mkdir(exist_ok=True)
    # As an earlier version let it pass.
    saved = Saved("old\nname", Secret("1"), None)
    SealedStore(state).put_back([saved])
    assert piped("list", "local") == 0
    assert "'old\\nname'" in capsys.readouterr().out


@pytest.mark.parametrize("fault", ["no folder", "folder for a file", "deep file"])
@pytest.mark.parametrize(
    "words",
    [
        ("set", "local", "a"),
        ("rotate", "local", "a"),
        ("list", "local"),
        ("due", "local"),
        ("audit", "local"),
        ("doctor", "local"),
        ("rekey",),
    ],
)
def test_what_the_system_refuses_is_no_fault_in_citadel(
    state: Path, piped: Callable[..., int], capsys: Capture, fault: str, words: tuple[str, ...]
) -> None:
    piped("set", "local", "a", stdin="1")
    if fault == "no folder":
        shutil.rmtree(state)
        state.write_text("")
    elif fault == "folder for a file":
        for name in ("secrets.json", "audit.jsonl"):
            (state / name).unlink()
            (state / name).mkdir()
    else:
        (state / "secrets.json").write_text("[" * 100_000)
    capsys.readouterr()
    code = piped(*words, stdin="1")
    shown = "".join(capsys.readouterr())
    assert "This is a fault in Citadel" not in shown
    if (fault, words[0]) not in {("deep file", "audit"), ("no folder", "rekey")}:
        assert code == 1
        assert str(state) in "".join(shown.split()) or "no JSON document" in shown


@pytest.mark.feature("CX-05")
def test_a_restore_tells_what_could_not_be_read_and_where_it_is_kept(
    state: Path, piped: Callable[..., int], capsys: Capture
) -> None:
    piped("set", "local", "a", stdin=CANARY)
    piped("backup", "local", "kept", stdin=PASSPHRASE)
    (state / "secrets.json").write_text("")
    assert piped("list", "local") == 1
    assert "citadel secrets restore ENVIRONMENT FILE --replace" in capsys.readouterr().err
    assert piped("restore", "local", "kept", stdin=PASSPHRASE) == 3
    assert piped("restore", "local", "kept", "--replace", "--dry-run", stdin=PASSPHRASE) == 0
    assert "would be kept aside" in capsys.readouterr().err
    assert (state / "secrets.json").read_text() == ""
    assert piped("restore", "local", "kept", "--replace", stdin=PASSPHRASE) == 0
    shown = capsys.readouterr()
    assert "1 were put back" in shown.out
    assert "could not be read" in shown.err
    assert "secrets.json.damaged-" in shown.err
    assert SealedStore(state).get("a").reveal() == CANARY
