"""`citadel secrets due|rotate|rule`: what is old, and how it gets a new value (CX-03)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.cli.conftest import FILE

from hxp_enterprise_llm.cli.main import run
from hxp_enterprise_llm.configuration.secrets import Secret
from hxp_enterprise_llm.configuration.secrets.keyring import KeyRing
from hxp_enterprise_llm.configuration.secrets.references import local_manager
from hxp_enterprise_llm.configuration.secrets.rules import MadeBy, RotationRule
from hxp_enterprise_llm.configuration.secrets.store import SealedStore

Capture = pytest.CaptureFixture[str]
Piped = Callable[..., int]
CANARY = "canary-c1i-90d2"
FORMATS = Path(__file__).parents[1] / "configuration/secrets/formats"
LONG_AGO = timedelta(days=91)


@pytest.fixture
def store(state: Path) -> SealedStore:
    """Hold a young secret, an old one of ours, and an old one that somebody gave."""
    state.mkdir(parents=True)
    store, old = SealedStore(state), datetime.now(UTC) - LONG_AGO
    store.set("young", Secret("y1"), made_by=MadeBy.GENERATED)
    store.set("ours", Secret("o1"), made_at=old, made_by=MadeBy.GENERATED)
    store.set("theirs", Secret(CANARY), made_at=old)
    return store


@pytest.mark.feature("CX-03")
def test_what_is_90_days_old_is_listed_with_who_renews_it(
    store: SealedStore, piped: Piped, capsys: Capture
) -> None:
    assert piped("due", "local") == 2
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["generated:ours", "91", "d", "1", "d", "citadel", "secrets", "rotate"]
    assert second.split() == ["generated:theirs", "91", "d", "1", "d", "whoever", "made", "it"]
    assert piped("due", "local", "--output", "json") == 2
    document = json.loads(capsys.readouterr().out)
    assert document["due"][0] == {
        "path": "generated:ours",
        "kind": "secret",
        "age_days": 91,
        "late_days": 1,
        "renewed_by": "citadel secrets rotate",
    }
    for path in ("ours", "theirs"):
        store.set(path, Secret("new"))
    assert piped("due", "local") == 0
    assert capsys.readouterr().out == "nothing is due\n"


@pytest.mark.feature("CX-03")
def test_a_textfile_for_the_node_exporter_shows_what_is_due_and_no_path(
    store: SealedStore, piped: Piped, capsys: Capture, tmp_path: Path
) -> None:
    file = tmp_path / "citadel.prom"
    assert piped("due", "local", "--output", "prometheus", "--to", str(file)) == 0
    assert capsys.readouterr().out == ""
    text = file.read_text()
    assert 'citadel_secrets_due{environment="local"} 2.0\n' in text
    assert "# TYPE citadel_secrets_due gauge" in text
    assert "ours" not in text
    assert CANARY not in text
    # The exporter runs as somebody else.
    assert file.stat().st_mode & 0o777 == 0o644
    assert piped("due", "local", "--output", "prometheus") == 0
    assert 'citadel_secrets_due{environment="local"} 2.0\n' in capsys.readouterr().out
    assert piped("due", "local", "--output", "json", "--to", str(tmp_path / "no/folder")) == 1
    assert "No such file" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert sorted(item.name for item in tmp_path.iterdir() if "prom" in item.name) == [file.name]


@pytest.mark.feature("CX-03")
def test_references_to_other_backends_are_looked_at_and_what_cannot_be_asked_is_said(
    state: Path, piped: Piped, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VAULT_ADDR", "BAO_ADDR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PASSWORD", "p")
    services = "integration_services: {database: {password: 'vault:kv/db#password'}}\n"
    environment = state.parents[1] / "stacks/environments/local.yaml"
    environment.write_text(FILE + services)
    state.mkdir(parents=True)
    assert piped("due", "local") == 1
    assert "vault:kv/db#password: Vault is not set up: VAULT_ADDR" in capsys.readouterr().err
    assert piped("due", "local", "--output", "prometheus") == 0
    assert 'citadel_secrets_unknown_age{environment="local"} 1.0' in capsys.readouterr().out
    environment.write_text(FILE + services.replace("vault:kv/db#password", "env:PASSWORD"))
    assert piped("due", "local") == 0
    assert "of unknown age: env:PASSWORD" in capsys.readouterr().out


@pytest.mark.feature("CX-03")
def test_what_is_due_is_rotated_where_it_can_be_and_nothing_else(
    store: SealedStore, piped: Piped, capsys: Capture
) -> None:
    assert piped("rotate", "local", "--due", "--dry-run") == 2
    assert capsys.readouterr().out.splitlines() == [
        "generated:ours would get a new value",
        "generated:theirs stays due: whoever made it gives the new one",
    ]
    assert store.get("ours").reveal() == "o1"
    assert piped("rotate", "local", "--due", "--output", "json") == 2
    document = json.loads(capsys.readouterr().out)
    assert (document["rotated"], document["left"]) == (["generated:ours"], ["generated:theirs"])
    assert store.get("ours").reveal() != "o1"
    assert (store.get("young").reveal(), store.get("theirs").reveal()) == ("y1", CANARY)
    assert piped("set", "local", "theirs", stdin="new") == 0
    capsys.readouterr()
    assert piped("rotate", "local", "--due") == 0
    assert capsys.readouterr().out == "nothing is due\n"


@pytest.mark.feature("CX-03", "CX-05")
def test_a_hook_makes_what_others_made_rotate_by_itself_and_the_audit_log_tells(
    store: SealedStore, piped: Piped, capsys: Capture, tmp_path: Path
) -> None:
    hook = tmp_path / "renew"
    hook.write_text(f"#!/bin/sh\necho {CANARY}-next\n")
    hook.chmod(0o700)
    assert piped("rule", "local", "theirs", "--hook", "renew", "--every", "30") == 0
    shown = capsys.readouterr().out
    assert f"due after 30 days, renewed by {hook}, made by: given" in shown
    assert piped("rotate", "local", "--due") == 0
    assert capsys.readouterr().out.splitlines() == [
        "generated:theirs has a new value",
        "generated:ours has a new value",
        "run: citadel up local",
    ]
    assert store.get("theirs").reveal() == f"{CANARY}-next"
    assert piped("audit", "local", "--output", "json") == 0
    shown = capsys.readouterr().out
    records = json.loads(shown)["records"]
    rotated = [(item["resource"], item["outcome"]) for item in records][-3:]
    assert rotated == [
        ("generated:theirs", "begun"),
        ("generated:theirs", "ok"),
        ("generated:ours", "ok"),
    ]
    assert CANARY not in shown


def test_one_hook_that_fails_does_not_keep_the_others_from_rotating(
    store: SealedStore, piped: Piped, capsys: Capture, tmp_path: Path
) -> None:
    hook = tmp_path / "renew"
    hook.write_text(f"#!/bin/sh\necho {CANARY} >&2\nexit 9\n")
    hook.chmod(0o700)
    store.set_rule("theirs", RotationRule(MadeBy.GIVEN, 1, str(hook)))
    assert piped("rotate", "local", "--due") == 1
    shown = capsys.readouterr()
    assert "generated:ours has a new value" in shown.out
    assert "of secret theirs ended with 9" in shown.err
    assert CANARY not in shown.out + shown.err
    assert piped("rotate", "local", "--due", "--output", "json") == 1
    document = json.loads(capsys.readouterr().out)
    assert [item["path"] for item in document["failed"]] == ["generated:theirs"]
    assert CANARY not in str(document)
    assert piped("rotate", "local", "young", "unknown") == 1
    shown = capsys.readouterr()
    assert "young has a new value" in shown.out
    assert "no secret unknown" in shown.err


@pytest.mark.feature("CX-03")
def test_a_rule_is_shown_changed_and_taken_back(
    store: SealedStore, piped: Piped, capsys: Capture
) -> None:
    assert piped("rule", "local", "young") == 0
    assert capsys.readouterr().out.endswith("made by: generated\n")
    assert piped("rule", "local", "young", "--every", "7", "--given") == 0
    assert store.entry("young").rule == RotationRule(MadeBy.GIVEN, 7)
    assert piped("rule", "local", "young", "--every", "0", "--hook", "", "--generated") == 0
    assert store.entry("young").rule == RotationRule(MadeBy.GENERATED)
    assert store.get("young").reveal() == "y1"
    assert piped("rule", "local", "young", "--every", "-1") == 3
    assert piped("rule", "local", "young", "--hook", "no/such") == 3
    assert piped("rule", "local", "env:TOKEN", "--every", "7") != 0
    assert store.entry("young").rule == RotationRule(MadeBy.GENERATED)


def test_rotate_says_how_the_value_gets_to_the_hosts_and_refuses_half_an_order(
    store: SealedStore, piped: Piped, capsys: Capture
) -> None:
    assert piped("rotate", "local", "young") == 0
    assert "run: citadel up local" in capsys.readouterr().out
    assert piped("rotate", "local") == 3
    assert piped("rotate", "local", "young", "--due") == 3
    assert piped("rotate", "local", "theirs") == 3
    assert "citadel secrets set" in capsys.readouterr().err


@pytest.mark.feature("CX-03")
def test_a_key_of_90_days_is_listed_and_replaced_for_all_environments(
    state: Path, piped: Piped, capsys: Capture
) -> None:
    state.mkdir(parents=True)
    long_ago = datetime.now(UTC) - LONG_AGO
    ring = KeyRing(state.parent / "secrets.key", clock=lambda: long_ago)
    young = SealedStore(state, ring=ring, clock=lambda: long_ago)
    young.set("a", Secret("1"), made_at=datetime.now(UTC))
    (before,) = young.used_keys()
    assert piped("due", "local") == 2
    shown = capsys.readouterr().out
    assert f"secrets.key#{before}" in shown
    assert "citadel secrets rekey" in shown
    assert piped("rotate", "local", "--due") == 0
    assert f"secrets.key#{before} was replaced" in capsys.readouterr().out
    store = SealedStore(state)
    assert before not in store.used_keys()
    assert store.get("a").reveal() == "1"
    assert piped("due", "local") == 0


@pytest.mark.feature("CC-04")
def test_at_security_level_high_no_secret_travels_in_clear(
    state: Path, piped: Piped, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    monkeypatch.setenv("VAULT_TOKEN", "t")
    environment = state.parents[1] / "stacks/environments/local.yaml"
    for level, code, said in (
        ("medium", 4, "cannot be reached"),
        ("high", 3, "would send secrets in clear"),
        ("critical", 3, "would send secrets in clear"),
    ):
        services = f"infrastructure_services: {{configuration: {{security: {{level: {level}}}}}}}\n"
        environment.write_text(FILE + services)
        assert piped("get", "local", "vault:kv/app#token") == code
        assert said in capsys.readouterr().err


@pytest.mark.feature("CX-05")
def test_compliance_judges_the_age_of_secrets_and_of_their_key_and_the_audit_log(
    state: Path, piped: Piped, capsys: Capture
) -> None:
    state.mkdir(parents=True)
    long_ago = datetime.now(UTC) - LONG_AGO
    SealedStore(state, clock=lambda: long_ago).set("a", Secret("1"), made_by=MadeBy.GENERATED)

    def judged() -> dict[str, str]:
        capsys.readouterr()
        run(["config", "compliance", "local", "--output", "json"])
        findings = json.loads(capsys.readouterr().out)["findings"]
        return {one["id"]: f"{one['outcome']}: {one['evidence']}" for one in findings}

    assert judged()["S202"] == "fail: 2 older than 90 days"
    assert piped("rotate", "local", "--due") == 0
    assert judged()["S202"] == "pass: 0 older than 90 days"
    # An entry that was changed must not look young.
    sealed = (state / "secrets.json").read_text()
    (state / "secrets.json").write_text(sealed.replace('"version": 2', '"version": 3'))
    assert judged()["S202"].startswith("fail: 1 ")
    (state / "secrets.json").write_text(sealed)
    assert judged()["S301"].startswith("pass: ")
    log = state / "audit.jsonl"
    log.write_text(log.read_text().replace("person:", "nobody:", 1))
    assert judged()["S301"].startswith("fail: ")


@pytest.mark.feature("CX-03")
def test_what_an_older_version_generated_is_rotated_and_what_somebody_gave_is_not(
    state: Path, piped: Piped, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are of 2026-11-21, and of format 2, which does not say who made a value."""
    state.mkdir(parents=True)
    for name, target in (("ring.json", "secrets.key"), ("sealed-2.json", "local/secrets.json")):
        (state.parent / target).write_bytes((FORMATS / name).read_bytes())
        (state.parent / target).chmod(0o600)
    store = SealedStore(state)
    before = {path: store.get(path).reveal() for path in store.paths()}
    in_90_days = datetime(2026, 11, 21, 12, tzinfo=UTC) + timedelta(days=90)
    monkeypatch.setattr(
        local_manager,
        "__kwdefaults__",
        {**(local_manager.__kwdefaults__ or {}), "clock": lambda: in_90_days},
    )
    assert piped("rotate", "local", "--due", "--output", "json") == 2
    document = json.loads(capsys.readouterr().out)
    assert document["rotated"] == ["generated:gateway/key", "generated:redis/default"]
    assert document["left"] == ["generated:smtp/password"]
    after = {path: store.get(path).reveal() for path in store.paths()}
    assert {path for path in after if after[path] != before[path]} == {
        "gateway/key",
        "redis/default",
    }
