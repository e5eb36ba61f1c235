"""`citadel config account`, from the command line to a real server and back."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hxp_enterprise_llm.cli import account
from hxp_enterprise_llm.configuration.secrets import Secret, Secrets
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode, UnreachableError
from hxp_enterprise_llm.orchestration.configuration_door import ConfigurationDoor
from hxp_enterprise_llm.testing.connections import free_port
from hxp_enterprise_llm.testing.world import World, running_world

GUIDE = Path(__file__).parents[2] / "docs/how-to/let-people-log-in.md"
PASSWORD = "a long password of hers"


@pytest.fixture
def world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[World]:
    """Environment `demo` with a configuration service that knows Ada."""
    with running_world(tmp_path, monkeypatch, capsys) as found:
        text = found.file.read_text()
        settings = "  configuration: {principals: [{id: ada, roles: [reader]}]}\n"
        text = text.replace("roles: [gateway]", "roles: [gateway, configuration]")
        found.file.write_text(text.rstrip("\n") + "\n" + settings)
        found.engine.made = True
        yield found


@pytest.fixture
def server(world: World, tmp_path: Path) -> Iterator[ConfigurationDoor]:
    """A server with the environment's own key, where the commands look for it."""
    state = world.file.parents[2] / ".citadel" / "demo"
    state.mkdir(parents=True)
    key = Secrets(state).resolve("generated:configuration/key")
    credentials, port = tmp_path / "credentials", free_port()
    credentials.mkdir()
    (credentials / "key").write_text(key.reveal())
    (credentials / "signing").write_text("a signing secret of a test")
    world.engine.fleet.hosts["edge-1"].published["configuration"] = port
    file = tmp_path / "configuration.yaml"
    document = {
        "environment": "demo",
        "listen": {"port": port},
        "state": str(tmp_path / "state"),
        "store": {"kind": "files", "folder": str(tmp_path / "state")},
        "signing": "signing",
        "principals": [{"id": "ada", "roles": ["reader"]}],
    }
    file.write_text(yaml.safe_dump(document))
    module = "hxp_enterprise_llm.configuration.service"
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", module, "--config", str(file)],
        env={**os.environ, "CREDENTIALS_DIRECTORY": str(credentials)},
    )
    door = ConfigurationDoor(f"http://127.0.0.1:{port}", "citadel", key.reveal())
    try:
        for _ in range(300):
            try:
                door.ask("GET", "/health/ready")
                break
            except UnreachableError:
                time.sleep(0.1)
        yield door
    finally:
        process.terminate()
        process.wait()


def piped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def login(server: ConfigurationDoor, password: str = PASSWORD) -> str:
    given = {"name": "ada", "password": password}
    return str(server.ask("POST", "/v1/sessions", given)["token"])


@pytest.mark.feature("CC-03")
def test_a_person_can_log_in_once_an_administrator_has_said_so(
    world: World, server: ConfigurationDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nobody has a password" in world.citadel("config", "account", "list", "demo")
    piped(monkeypatch, PASSWORD + "\n")
    said = world.citadel("config", "account", "set", "demo", "ada")
    assert said == "ada has a new password; sessions of before are over\n"
    assert login(server).startswith("cts_")
    found = world.document("config", "account", "list", "demo")
    assert found == [{"name": "ada", "sessions": 1}]
    assert world.document("config", "account", "remove", "demo", "ada") == {"name": "ada"}
    with pytest.raises(CitadelError, match="401"):
        login(server)


def test_every_command_of_the_guide_runs_in_its_order(
    world: World, server: ConfigurationDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = re.findall(r"^```console\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    assert [line.split()[3] for line in commands] == ["set", "list", "remove"]
    for line in commands:
        piped(monkeypatch, PASSWORD)
        world.citadel(*("demo" if word == "local" else word for word in line.split()[1:]))


@pytest.mark.feature("CC-03")
def test_what_the_service_refuses_is_told_with_its_next_step(
    world: World, server: ConfigurationDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, password, said in (
        ("ada", "short", "a password of 5 characters is not taken"),
        ("eve", PASSWORD, "eve is no person that the configuration names"),
    ):
        piped(monkeypatch, password)
        words = ("config", "account", "set", "demo", name)
        error = world.document(*words, code=ExitCode.REFUSED)["error"]
        assert said in error["message"]
        assert error["next_step"]
        assert password not in error["message"] or password == name
    error = world.document("config", "account", "remove", "demo", "ada", code=ExitCode.REFUSED)
    assert "ada has no password" in error["error"]["message"]
    wrong = ConfigurationDoor(server.url, "citadel", "another key")
    with pytest.raises(CitadelError, match="401: a key is needed"):
        wrong.ask("GET", "/v1/accounts")
    assert "another key" not in repr(wrong)


@pytest.mark.parametrize("text", ["", "\n", "one\ntwo\n"])
def test_without_one_line_of_password_nothing_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    piped(monkeypatch, text)
    error = world.document("config", "account", "set", "demo", "ada", code=ExitCode.REFUSED)
    assert "one line with the password" in error["error"]["message"]


def test_a_typed_password_is_asked_for_twice_without_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def prompt(text: str, **how: object) -> str:
        asked.update(how, text=text)
        return PASSWORD

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", prompt)
    assert account._password("ada") == PASSWORD
    assert asked == {
        "text": "Password of ada",
        "hide_input": True,
        "confirmation_prompt": True,
        "err": True,
    }


def test_a_service_that_is_away_or_not_there_is_told_of(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.engine.fleet.hosts["edge-1"].published["configuration"] = free_port()
    error = world.document("config", "account", "list", "demo", code=ExitCode.UNREACHABLE)["error"]
    assert "does not answer" in error["message"]
    world.engine.fleet.hosts["edge-1"].published["configuration"] = world.daemons.port
    error = world.document("config", "account", "list", "demo", code=ExitCode.ERROR)["error"]
    assert "not the configuration service" in error["message"]
    world.file.write_text(world.file.read_text().replace(", configuration]", "]"))
    error = world.document("config", "account", "list", "demo", code=ExitCode.ERROR)["error"]
    assert "has no configuration service" in error["message"]
    assert "role configuration" in error["next_step"]


def test_the_key_shows_in_no_text() -> None:
    assert "opens" not in repr(ConfigurationDoor("http://x", "citadel", Secret("opens").reveal()))
