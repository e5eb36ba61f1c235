"""Health gate, lock, packages and artifacts of the host half."""

from __future__ import annotations

import fcntl
import hashlib
import http.server
import json
import tarfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from citadel_bundle import artifacts, health, lock, packages, state
from citadel_bundle.system import BundleError, Done, Host
from fake_host import FakeSystemd

UNIT = {"name": "citadel-demo.service"}


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
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
    health.wait(running, UNIT | {"health": {"url": f"http://127.0.0.1:{server}/ready"}})
    health.wait(running, UNIT | {"health": {"tcp": server}})
    health.wait(running, UNIT | {"health": {"command": ["true"]}})


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


def test_a_unit_that_never_starts_says_in_which_state_it_is(host: Host) -> None:
    with pytest.raises(BundleError, match="it is inactive"):
        health.wait(host, UNIT)


def test_a_lock_that_is_held_names_its_holder(host: Host) -> None:
    folder = host.path("/run/lock/citadel")
    folder.mkdir(parents=True)
    with (folder / "demo.lock").open("w") as held:
        held.write("4711")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BundleError, match="process 4711"), lock.exclusive(host, "demo"):
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
        self.commands: list[str] = []
        self.denied: list[bool] = []

    def __call__(self, command: Sequence[str], timeout: float) -> Done:
        self.commands.append(" ".join(command))
        self.denied.append((self.root / "usr/sbin/policy-rc.d").exists())
        return Done(self.code, "E: Unable to locate package")


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
    assert apt.commands[1].endswith(" gone")
    assert apt.denied == [False, True]
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
    store = host.path(artifacts.STORE)
    publish(store, VENV["view"], b"wheels")
    publish(store, MODEL["view"], b"weights")
    built = []

    def build(*words: str) -> bool:
        built.append(words[1:])
        return True

    assert artifacts.place(host, [VENV, MODEL], build)["changed"]
    assert built == [(VENV["view"], str(host.path(VENV["path"])))]
    target = host.path(MODEL["path"]).readlink()
    assert str(target) == f"{artifacts.STORE}/{MODEL['view']}"


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


def pack(folder: Path) -> str:
    archive = folder.with_suffix(".tar")
    with tarfile.open(archive, "w") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)
    return str(archive)


def test_a_copied_view_is_checked_and_put_into_the_store(host: Host, tmp_path: Path) -> None:
    archive = pack(publish(tmp_path / "away", MODEL["view"], b"weights"))
    assert artifacts.lacking(host, [MODEL["view"], "bin/uv"]) == [MODEL["view"], "bin/uv"]
    artifacts.receive(host, {MODEL["view"]: archive})
    assert (host.path(artifacts.STORE) / MODEL["view"] / "data").read_bytes() == b"weights"
    assert artifacts.lacking(host, [MODEL["view"]]) == []


def test_a_copied_view_with_a_wrong_hash_is_refused_and_not_kept(
    host: Host, tmp_path: Path
) -> None:
    archive = pack(publish(tmp_path / "away", MODEL["view"], b"weights", "0" * 64))
    with pytest.raises(BundleError, match="another SHA-256"):
        artifacts.receive(host, {MODEL["view"]: archive})
    assert artifacts.lacking(host, [MODEL["view"]]) == [MODEL["view"]]


def test_a_copied_archive_cannot_leave_the_store(host: Host, tmp_path: Path) -> None:
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo("../evil"))
    with pytest.raises(BundleError, match="only plain files"):
        artifacts.receive(host, {MODEL["view"]: str(archive)})
