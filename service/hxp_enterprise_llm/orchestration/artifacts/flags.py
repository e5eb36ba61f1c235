"""Asks the pinned vLLM itself which arguments and variables it knows."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hxp_enterprise_llm.orchestration import paths
from hxp_enterprise_llm.orchestration.artifacts.digests import venv_ref
from hxp_enterprise_llm.orchestration.artifacts.fetch import Fetcher, open_store
from hxp_enterprise_llm.orchestration.artifacts.needs import CONVERTER
from hxp_enterprise_llm.orchestration.artifacts.sandbox import run_script
from hxp_enterprise_llm.utilities.report import Report

SNAPSHOT = "service/hxp_enterprise_llm/schemas/vllm_flags.json"


def flags(report: Report) -> str:
    """Return the snapshot that schemas/vllm_flags.json shall be."""
    with tempfile.TemporaryDirectory(dir=paths.cache()) as folder:
        _ask(("dump", "flags.json"), Path(folder), report)
        return (Path(folder) / "flags.json").read_text()


def refused(arguments: Mapping[str, Mapping[str, Any]], report: Report) -> dict[str, str]:
    """Return what vLLM's parser says against argument lists; nothing of those it takes.

    Args:
        arguments: Name → arguments by long name with dashes, as the role writes them.
        report: Takes what happens.
    """
    with tempfile.TemporaryDirectory(dir=paths.cache()) as folder:
        for name, values in arguments.items():
            (Path(folder) / f"{name}.yaml").write_text(yaml.safe_dump(dict(values)))
        _ask(("parse", ".", "answers.json"), Path(folder), report)
        answers: dict[str, str] = json.loads((Path(folder) / "answers.json").read_text())
    return {name.removesuffix(".yaml"): text for name, text in answers.items() if text}


def _ask(command: tuple[str, ...], work: Path, report: Report) -> None:
    fetcher = Fetcher(open_store(), paths.checkout(), report)
    with fetcher.store.used():
        fetcher.uv()
        fetcher.venv(venv_ref(CONVERTER))
        run_script(CONVERTER, paths.checkout() / "tools/vllm_flags.py", command, work, report)
