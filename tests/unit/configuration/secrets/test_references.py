"""References resolve last, into a holder that shows nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.audit import AuditLog
from hxp_enterprise_llm.configuration.diagnostics import InvalidEnvironmentError
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment, load
from hxp_enterprise_llm.configuration.rules.secrets import references
from hxp_enterprise_llm.configuration.secrets import Secret, Secrets, refuse_unresolved
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode, RefusedError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    state = tmp_path / "local"
    state.mkdir()
    return state


def test_a_generated_value_is_made_once_and_found_again_by_another_process(folder: Path) -> None:
    first = Secrets(folder).resolve("generated:postgres/citadel_admin").reveal()
    again = Secrets(folder).resolve("generated:postgres/citadel_admin").reveal()
    assert first == again
    assert len(first) >= 43


def test_two_names_have_two_values_and_a_key_has_its_prefix(folder: Path) -> None:
    secrets = Secrets(folder)
    key = secrets.resolve("generated:gateway/key").reveal()
    assert key.startswith("ck_")
    assert key != secrets.resolve("generated:redis/default").reveal()
    assert secrets.names() == ("gateway/key", "redis/default")


def test_no_value_lies_in_clear_and_no_file_can_be_read_by_others(folder: Path) -> None:
    value = Secrets(folder).resolve("generated:gateway/key").reveal()
    for file in [*folder.iterdir(), *folder.parent.glob("secrets.*")]:
        if file.is_file():
            assert value.encode() not in file.read_bytes()
    for file in (folder / "secrets.json", folder.parent / "secrets.key"):
        assert file.stat().st_mode & 0o077 == 0


def test_a_holder_shows_its_value_in_no_text() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "hunter2"


def test_an_entry_moved_to_another_name_is_refused(folder: Path) -> None:
    secrets = Secrets(folder)
    secrets.resolve("generated:a")
    secrets.resolve("generated:b")
    file = folder / "secrets.json"
    document = json.loads(file.read_text())
    document["entries"]["a"] = document["entries"]["b"]
    file.write_text(json.dumps(document))
    with pytest.raises(CitadelError, match="secret a was changed"):
        secrets.resolve("generated:a")


def test_a_key_file_that_others_can_read_is_refused(folder: Path) -> None:
    secrets = Secrets(folder)
    secrets.resolve("generated:a")
    (folder.parent / "secrets.key").chmod(0o644)
    with pytest.raises(RefusedError, match="can be read by others"):
        secrets.resolve("generated:a")


def test_a_file_reference_is_read_without_its_last_newline(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    file.chmod(0o600)
    assert Secrets(folder).resolve(f"file:{file}").reveal() == "s3cret"


@pytest.mark.parametrize(
    ("content", "mode", "message"), [("", 0o600, "empty"), ("x", 0o644, "others")]
)
def test_a_bad_secret_file_is_an_error_that_names_it(
    tmp_path: Path, folder: Path, content: str, mode: int, message: str
) -> None:
    file = tmp_path / "password"
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(CitadelError, match=message) as caught:
        Secrets(folder).resolve(f"file:{file}")
    assert str(file) in str(caught.value)


def test_a_missing_file_and_a_missing_variable_say_what_to_do(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CITADEL_TEST_SECRET", raising=False)
    with pytest.raises(CitadelError, match="Create it"):
        Secrets(folder).resolve(f"file:{tmp_path / 'none'}")
    with pytest.raises(CitadelError, match="export CITADEL_TEST_SECRET"):
        Secrets(folder).resolve("env:CITADEL_TEST_SECRET")
    monkeypatch.setenv("CITADEL_TEST_SECRET", "value")
    assert Secrets(folder).resolve("env:CITADEL_TEST_SECRET").reveal() == "value"


def test_a_scheme_without_backend_is_refused(folder: Path) -> None:
    with pytest.raises(RefusedError) as caught:
        Secrets(folder).resolve("vault:kv/postgres#password")
    assert caught.value.exit_code is ExitCode.REFUSED


def test_a_relative_file_starts_at_the_checkout_wherever_the_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ".citadel" / "local"
    folder.mkdir(parents=True)
    file = tmp_path / "password"
    file.write_text("s3cret")
    file.chmod(0o600)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Secrets(folder).resolve("file:password").reveal() == "s3cret"
    assert Secrets(folder).resolve("file:~/password").reveal() == "s3cret"


def test_only_references_without_a_value_are_refused(
    accept: Callable[..., LoadedEnvironment], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = accept(
        {
            "integration_services/database/password": "env:CITADEL_TEST_SECRET",
            "integration_services/cache/password": "file:/nope",
        }
    )
    monkeypatch.setenv("CITADEL_TEST_SECRET", "value")
    with pytest.raises(InvalidEnvironmentError) as caught:
        refuse_unresolved(loaded, folder)
    (problem,) = caught.value.diagnostics
    assert problem.code == "C341"
    assert problem.path == ("integration_services", "cache", "password")
    assert problem.place == loaded.draft.place(problem.path)
    assert not (folder / "secrets.json").exists()


@pytest.mark.feature("CX-01")
def test_the_secrets_of_all_services_of_an_environment_resolve(folder: Path) -> None:
    loaded = load("local")
    assert loaded.environment.infrastructure_services.configuration.secret_management is True
    secrets = Secrets(folder)
    found = dict(references(loaded.environment))
    services = {path[1] for path in found}
    assert {"database", "cache", "api_gateway", "monitoring"} & services
    values = {secrets.resolve(reference).reveal() for reference in found.values()}
    assert len(values) == len(set(found.values()))


@pytest.mark.feature("CX-05")
def test_each_resolved_reference_is_audited_by_name_only(folder: Path) -> None:
    secrets = Secrets(folder, actor="role:gateway", variables={})
    value = secrets.resolve("generated:gateway/key").reveal()
    with pytest.raises(CitadelError):
        secrets.resolve("env:NONE")
    first, second = AuditLog(folder / "audit.jsonl").records()
    assert (first.event.actor, first.event.resource, first.event.outcome) == (
        "role:gateway",
        "generated:gateway/key",
        "ok",
    )
    assert (second.event.resource, second.event.outcome) == ("env:NONE", "failed")
    assert value not in (folder / "audit.jsonl").read_text()


async def test_a_reference_resolves_also_where_a_loop_runs(folder: Path) -> None:
    with pytest.raises(RefusedError, match="VAULT_ADDR is not set"):
        Secrets(folder, variables={}).resolve("vault:kv/a#b")


def test_a_scheme_that_nobody_knows_is_refused(folder: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be resolved"):
        Secrets(folder).resolve("ftp:host/secret")
