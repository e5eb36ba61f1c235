"""Health gate, lock, packages and artifacts of the host half."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import http.server
import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from citadel_bundle import apply, artifacts, health, lock, packages, state, store
from citadel_bundle.system import BundleError, Done, Host
from fake_host import FakeSystemd, bundle, file

UNIT = {"name": "citadel-demo.service"}


class Answers(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200 if self.path == "/ready" else 503)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found.server_address[1]
        found.shutdown()
        thread.join()


@pytest.fixture
def running(host: Host, systemd: FakeSystemd) -> Host:
    systemd(["systemctl", "start", UNIT["name"]], 1)
    return host


def test_a_service_that_answers_is_healthy(running: Host, server: int) -> None:
    Answers.asked.clear()
    health.wait(running, UNIT | {"health": {"url": f"http://127.0.0.1:{server}/ready"}})
    assert Answers.asked == ["/ready"]
    health.wait(running, UNIT | {"health": {"tcp": server}})
    asked: list[Sequence[str]] = []

    def run(command: Sequence[str], timeout: float) -> Done:
        asked.append(command)
        return running.run(command, timeout)

    told = dataclasses.replace(running, run=run)
    health.wait(told, UNIT | {"health": {"command": ["true", "--ready"]}})
    assert asked[-1] == ["true", "--ready"]


def test_a_service_that_answers_with_an_error_is_not_healthy(running: Host, server: int) -> None:
    probe = {"url": f"http://127.0.0.1:{server}/busy", "timeout": 3}
    with pytest.raises(BundleError, match=r"not healthy after 3 s: .* answers 503"):
        health.wait(running, UNIT | {"health": probe})


def test_a_closed_port_is_not_healthy(running: Host) -> None:
    with pytest.raises(BundleError, match="port 1: "):
        health.wait(running, UNIT | {"health": {"tcp": 1, "timeout": 1}})


def test_a_unit_that_failed_ends_the_wait_at_once_with_its_journal(
    running: Host, systemd: FakeSystemd
) -> None:
    systemd.sick = lambda files: True
    with pytest.raises(BundleError, match=r"failed(.|\n)*a line of the journal"):
        health.wait(running, UNIT | {"health": {"tcp": 1, "timeout": 1e9}})


def crashed(host: Host, times: int) -> Host:
    def run(command: Sequence[str], timeout: float) -> Done:
        done = host.run(command, timeout)
        return Done(done.code, done.output.replace("NRestarts=0", f"NRestarts={times}"))

    return dataclasses.replace(host, run=run)


def test_only_crashes_since_the_change_speak_against_a_unit(running: Host) -> None:
    health.wait(crashed(running, 5), UNIT, 5)
    with pytest.raises(BundleError, match="failed"):
        health.wait(crashed(running, 5), UNIT, 2)


def test_a_count_that_began_anew_is_counted_from_zero(running: Host) -> None:
    with pytest.raises(BundleError, match="failed"):
        health.wait(crashed(running, 3), UNIT, 4)


def test_a_reload_of_a_unit_that_crashed_long_ago_is_applied(host: Host) -> None:
    for number in (1, 2):
        content = bundle(file("a.conf", f"{number}\n", on_change="reload"))
        done = apply.apply(crashed(host, 5 if number == 2 else 0), content, {})
        assert done["changed"]


def test_a_unit_that_never_starts_says_in_which_state_it_is(host: Host) -> None:
    with pytest.raises(BundleError, match="it is inactive"):
        health.wait(host, UNIT)


def test_a_lock_that_is_held_names_its_holder(host: Host) -> None:
    folder = host.path(lock.FOLDER)
    folder.mkdir(parents=True)
    with (folder / "demo.lock").open("w") as held:
        held.write("4711")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BundleError, match="process 4711"), lock.exclusive(host, "demo"):
            pass


def test_the_place_of_the_locks_is_closed_to_others(host: Host) -> None:
    host.path(lock.FOLDER).mkdir(parents=True, mode=0o777)
    with lock.exclusive(host, "demo"):
        assert host.path(lock.FOLDER).stat().st_mode & 0o777 == 0o700
        assert (host.path(lock.FOLDER) / "demo.lock").stat().st_mode & 0o777 == 0o600


def test_a_lock_does_not_follow_a_link(host: Host) -> None:
    host.path(lock.FOLDER).mkdir(parents=True)
    victim = host.root / "victim"
    victim.write_text("precious")
    (host.path(lock.FOLDER) / "demo.lock").symlink_to(victim)
    with pytest.raises(BundleError, match="cannot be opened"), lock.exclusive(host, "demo"):
        pass
    assert victim.read_text() == "precious"


def test_a_link_in_place_of_the_folder_of_locks_is_refused(host: Host) -> None:
    (host.root / "elsewhere").mkdir()
    host.path("/run").mkdir()
    host.path(lock.FOLDER).symlink_to(host.root / "elsewhere")
    with pytest.raises(BundleError, match="not a folder of root"), lock.exclusive(host, "demo"):
        pass
    assert not list((host.root / "elsewhere").iterdir())


def test_a_folder_of_locks_that_is_somebody_elses_is_refused(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.path(lock.FOLDER).mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(BundleError, match="not a folder of root"), lock.exclusive(host, "demo"):
        pass


STATUS = """Package: redis-server
Status: install ok installed
Version: 5:7.0

Package: gone
Status: deinstall ok config-files
Version: 1
"""


class Apt:
    """Answers apt-get and remembers whether daemons could have started."""

    def __init__(self, root: Path, code: int = 0) -> None:
        self.root, self.code = root, code
        self.policy = root / "usr/sbin/policy-rc.d"
        self.commands: list[str] = []
        self.denied: list[bool] = []

    def __call__(self, command: Sequence[str], timeout: float) -> Done:
        self.commands.append(" ".join(command))
        self.denied.append(self.policy.exists())
        return Done(self.code if command[0] == "apt-get" else 0, "E: Unable to locate package")


@pytest.fixture
def debian(tmp_path: Path) -> Path:
    for folder in ("var/lib/dpkg", "usr/sbin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    return tmp_path


def test_only_what_is_missing_is_installed_and_no_daemon_starts(debian: Path) -> None:
    apt = Apt(debian)
    done = packages.install(Host(debian, apt), ["redis-server", "gone"])
    assert done == {"changed": True, "packages": ["gone"]}
    assert apt.commands[0].startswith("apt-get -q update")
    assert apt.commands[1] == "dpkg --force-confold --configure -a"
    assert apt.commands[2].endswith(" gone")
    assert apt.denied == [False, True, True]
    assert not (debian / "usr/sbin/policy-rc.d").exists()


def test_nothing_missing_runs_nothing(debian: Path) -> None:
    apt = Apt(debian)
    assert not packages.install(Host(debian, apt), ["redis-server"])["changed"]
    assert apt.commands == []


def test_check_mode_installs_nothing(debian: Path) -> None:
    apt = Apt(debian)
    assert packages.install(Host(debian, apt), ["gone"], check=True)["packages"] == ["gone"]
    assert apt.commands == []


def test_a_failed_install_shows_what_apt_said(debian: Path) -> None:
    with pytest.raises(BundleError, match="Unable to locate package"):
        packages.install(Host(debian, Apt(debian, 100)), ["gone"])
    assert not (debian / "usr/sbin/policy-rc.d").exists()


def test_the_policy_that_a_killed_run_left_is_removed(debian: Path) -> None:
    apt = Apt(debian)
    apt.policy.write_text(state.DENY)
    assert state.cut_off(Host(debian))
    assert packages.install(Host(debian, apt), ["redis-server"])["changed"]
    assert not apt.policy.exists()
    assert not state.cut_off(Host(debian))
    assert apt.commands == []


def test_a_policy_of_the_operator_stays(debian: Path) -> None:
    apt = Apt(debian)
    apt.policy.write_text("#!/bin/sh\nexit 101\n")
    packages.install(Host(debian, apt), ["gone"])
    assert apt.policy.read_text() == "#!/bin/sh\nexit 101\n"


def test_what_a_killed_dpkg_left_is_finished_with_no_daemon_started(debian: Path) -> None:
    (debian / "var/lib/dpkg/updates").mkdir()
    (debian / "var/lib/dpkg/updates/0001").touch()
    apt = Apt(debian)
    assert packages.install(Host(debian, apt), ["redis-server"])["changed"]
    assert apt.commands == ["dpkg --force-confold --configure -a"]
    assert apt.denied == [True]
    assert not apt.policy.exists()


def test_after_a_killed_install_the_state_read_holds_no_packages(debian: Path) -> None:
    (debian / "etc").mkdir()
    for name in ("passwd", "group"):
        (debian / "etc" / name).touch()
    assert "redis-server" in state.read(Host(debian), b"nonce")["packages"]
    (debian / "usr/sbin/policy-rc.d").write_text(state.DENY)
    assert state.read(Host(debian), b"nonce")["packages"] == {}


VENV = {"kind": "venv", "path": "/opt/citadel/venvs/web-1", "view": "wheels/web-1"}
MODEL = {"kind": "model", "path": "/opt/models/tiny-1", "view": "models/tiny-1"}


def never(store: str, view: str, target: str) -> bool:
    raise AssertionError("nothing is to be built")


def publish(root: Path, view: str, content: bytes, digest: str = "") -> Path:
    folder = root / view
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(content)
    digest = digest or hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"files": {"data": {"sha256": digest}}}))
    return folder


def test_an_environment_is_built_and_a_model_linked(host: Host) -> None:
    publish(host.path(store.STORE), VENV["view"], b"wheels")
    publish(host.path(store.STORE), MODEL["view"], b"weights")
    built = []

    def build(*words: str) -> bool:
        built.append(words[1:])
        return True

    assert artifacts.place(host, [VENV, MODEL], build)["changed"]
    assert built == [(VENV["view"], str(host.path(VENV["path"])))]
    target = host.path(MODEL["path"]).readlink()
    assert str(target) == f"{store.STORE}/{MODEL['view']}"


def test_an_environment_that_is_complete_is_not_built_again(host: Host) -> None:
    host.path(VENV["path"]).mkdir(parents=True)
    (host.path(VENV["path"]) / "complete").touch()
    assert not artifacts.place(host, [VENV], never)["changed"]
    assert state.artifacts(host) == [VENV["path"]]


def test_check_mode_names_what_is_missing_and_builds_nothing(host: Host) -> None:
    found = artifacts.place(host, [VENV], never, check=True)
    assert found["changes"] == [{"kind": "venv", "action": "create", "path": VENV["path"]}]


def test_what_the_store_lacks_is_an_error_with_the_command(host: Host) -> None:
    with pytest.raises(BundleError, match="citadel artifacts fetch"):
        artifacts.place(host, [VENV], never)
