"""What a play did becomes a summary, or an error with host, role, reason and next step."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.loader import LoadedEnvironment, load
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode, UnreachableError
from hxp_enterprise_llm.orchestration import converge as module
from hxp_enterprise_llm.utilities.process import CommandError

Play = Callable[..., list[str]]


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedEnvironment:
    file = tmp_path / "one.yaml"
    file.write_text(
        "schema: 1\nprovider: {kind: local}\nhosts: {data-1: {roles: [redis], memory: 1GiB}}\n"
    )
    return load(str(file))


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Let ansible-playbook print these events; returns its command line."""
    command: list[str] = []

    def prepare(*events: dict[str, Any] | str, fails: bool = False) -> list[str]:
        def stream(words: list[str], on_line: Callable[[str], None], **_: object) -> None:
            command.extend(words)
            for event in events:
                on_line(event if isinstance(event, str) else json.dumps(event))
            if fails:
                raise CommandError(words, 2, "the end of it", next_step="")

        monkeypatch.setattr(module, "stream", stream)
        return command

    return prepare


def event(kind: str, **more: Any) -> dict[str, Any]:
    common = {"host": "data-1", "role": "redis", "task": "redis : Apply the bundle"}
    return {"event": kind, "changed": False, "message": "", "summary": [], **common, **more}


def quiet(_text: str) -> None:
    return


def test_nothing_changed_is_said_so(loaded: LoadedEnvironment, play: Play) -> None:
    play(event("ok"), {"event": "recap", "hosts": {"data-1": {}}})
    done = module.converge(loaded, report=quiet)
    assert (done.changed, done.hosts, done.roles) == (False, 1, 1)


def test_each_change_is_told_with_its_host_and_role(loaded: LoadedEnvironment, play: Play) -> None:
    play(event("ok", changed=True, summary=["update /etc/a", "restart citadel-redis.service"]))
    (change,) = module.converge(loaded, report=quiet).changes
    assert (change.host, change.role) == ("data-1", "redis")
    assert change.details == ("update /etc/a", "restart citadel-redis.service")


def test_what_runs_now_is_reported(loaded: LoadedEnvironment, play: Play) -> None:
    play(event("start"))
    seen: list[str] = []
    module.converge(loaded, report=seen.append)
    assert seen == ["redis: apply the bundle"]


def test_limit_tags_and_check_reach_ansible(loaded: LoadedEnvironment, play: Play) -> None:
    command = play()
    module.converge(loaded, limit="data-1", tags="redis", check=True, report=quiet)
    line = " ".join(command)
    assert "--limit data-1" in line
    assert "--tags redis" in line
    assert "--check" in line


def test_a_failure_names_host_role_reason_and_next_step(
    loaded: LoadedEnvironment, play: Play
) -> None:
    play(event("failed", message="redis.conf:3: no", next_step="Correct it."), fails=True)
    with pytest.raises(CitadelError) as caught:
        module.converge(loaded, report=quiet)
    assert "data-1: role redis: Apply the bundle failed\nredis.conf:3: no" in caught.value.message
    assert caught.value.next_step == "Correct it."
    assert caught.value.exit_code is ExitCode.ERROR


def test_a_host_that_does_not_answer_has_its_own_exit_code(
    loaded: LoadedEnvironment, play: Play
) -> None:
    play(event("unreachable", message="no route"), fails=True)
    with pytest.raises(UnreachableError, match="data-1: no route"):
        module.converge(loaded, report=quiet)


def test_text_that_is_no_event_explains_a_failure(loaded: LoadedEnvironment, play: Play) -> None:
    play("ERROR! the playbook could not be found", fails=True)
    with pytest.raises(CitadelError, match="could not be found"):
        module.converge(loaded, report=quiet)
