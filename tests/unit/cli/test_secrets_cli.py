"""`citadel secrets` on a checkout of the test's own."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from hxp_enterprise_llm.cli.main import run
from hxp_enterprise_llm.configuration.secrets import Secret, Secrets
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
