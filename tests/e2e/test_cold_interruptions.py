"""SIGKILL `make up` where nothing is cached, with all its processes; the next run ends well."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from cold import Cold
from live import CHECKOUT, Live
from mirror import Mirror, serve

from hxp_enterprise_llm.orchestration.artifacts.digests import venv_ref
from hxp_enterprise_llm.orchestration.artifacts.fetch import open_store
from hxp_enterprise_llm.orchestration.artifacts.store import hash_file
from hxp_enterprise_llm.orchestration.toolchain import digest
from hxp_enterprise_llm.testing.hosts import podman

# Nobody listens there: a site without a network, which reaches its own mirror only.
NO_NETWORK = {
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1",
    "UV_OFFLINE": "1",
}
PACKAGES_BEFORE_THE_KILL = 25


@pytest.fixture(scope="module")
def cold(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cold]:
    """A clone with caches of its own; each test empties what the phase that it kills makes."""
    home = tmp_path_factory.mktemp("cold")
    clone = home / "citadel"
    subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(clone)], check=True)
    cold = Cold(clone, home)
    yield cold
    cold.make("down", "YES=1")
    shutil.rmtree(home)
    assert live.ask().status == 200


@pytest.fixture
def mirror(cold: Cold) -> Iterator[Mirror]:
    """This machine's store, served to a clone without network; stops in the gateway's largest."""
    store = open_store()
    files = store.view(venv_ref("gateway").view).files.values()
    largest = max(files, key=lambda sha256: store.blob(sha256).stat().st_size)
    with serve(store.root, largest) as mirror:
        cold.more = NO_NETWORK | {"CITADEL_MIRRORS": mirror.address}
        yield mirror
        cold.more = {}


def test_killed_while_uv_is_made(cold: Cold) -> None:
    half = cold.cache / "tools" / "uv.half"
    cold.kill_up((half / "bin" / "python").exists, "the environment that uv comes from")
    assert "cold is up in" in cold.make("up")
    assert [path.name for path in (cold.cache / "tools").glob("uv.*")] == []


def test_killed_while_packages_are_installed(cold: Cold) -> None:
    for _ in range(10):
        shutil.rmtree(cold.venv, ignore_errors=True)
        cold.kill_up(lambda: len(cold.packages()) >= PACKAGES_BEFORE_THE_KILL, "some packages")
        if cold.lacking():
            break
    else:
        pytest.fail("no kill came in the middle of a package")
    assert "cold is up in" in cold.make("up")
    assert cold.lacking() == []


def test_killed_while_the_engine_is_made(cold: Cold) -> None:
    toolchain = cold.cache / "toolchain"
    shutil.rmtree(toolchain, ignore_errors=True)
    shown = cold.kill_up(lambda: any(toolchain.glob(".*/bin/*")), "a program of the engine")
    assert "3/8 toolchain" in shown
    made = toolchain / digest(cold.checkout / "tools")
    assert not made.exists()
    assert "cold is up in" in cold.make("up")
    assert {path.name for path in toolchain.iterdir()} == {made.name, "lock"}


def test_killed_while_artifacts_are_fetched(cold: Cold, mirror: Mirror) -> None:
    cold.make("down", "YES=1")
    store = cold.cache / "store"
    shutil.rmtree(store, ignore_errors=True)
    blobs, part = store / "blobs/sha256", store / "partial" / f"{mirror.stop_in}.part"
    cold.kill_up(
        lambda: mirror.stopped.is_set() and part.exists() and part.stat().st_size > 0,
        "the half of a wheel",
    )
    had, came = {blob.name for blob in blobs.iterdir()}, part.stat().st_size
    assert had
    assert mirror.stop_in not in had
    mirror.requests.clear()
    mirror.go_on.set()
    assert "cold is up in" in cold.make("up")
    assert (mirror.stop_in, f"bytes={came}-") in mirror.requests
    assert had.isdisjoint(name for name, _ in mirror.requests)
    cold.citadel("artifacts", "verify", str(cold.file))
    assert [blob.name for blob in blobs.iterdir() if hash_file(blob) != blob.name] == []
    assert [list((store / name).iterdir()) for name in ("partial", "quarantine")] == [[], []]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(" host edge-1: ", id="hosts"),
        pytest.param("gateway: apply the bundle", id="converge"),
        pytest.param("units on hosts", id="verify"),
    ],
)
def test_killed_with_all_its_processes_while_hosts_are_made_and_converged(
    cold: Cold, line: str
) -> None:
    mine = f"label=citadel.checkout={cold.checkout}"
    for container in podman("ps", "--all", "--quiet", "--filter", mine).split():
        podman("rm", "--force", container)
    cold.kill_up(lambda: line in cold.log.read_text(), line)
    assert "cold is up in" in cold.make("up")


def test_after_all_that_nothing_is_left_to_do(cold: Cold) -> None:
    cold.make("up")
    again = cold.make("up")
    for phase in ("packages", "python", "toolchain", "artifacts", "hosts", "converge"):
        assert re.search(rf"\d/8 {phase} +=", again), again
