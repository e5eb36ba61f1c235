"""How fast the command line is: `--help`, and validating an environment."""

from __future__ import annotations

import sys
from pathlib import Path

from figures import CHECKOUT, Figure, at_most, process, save, seconds

CITADEL = str(Path(sys.executable).with_name("citadel"))
# What any validator of a YAML file against a pydantic model must do at least.
BARE = (
    "import yaml, pydantic; from pathlib import Path;"
    "pydantic.create_model('M', schema=(int, ...), extends=(str, ...), provider=(dict, ...),"
    " hosts=(dict, ...), models=(dict, {}), infrastructure_services=(dict, {}))"
    ".model_validate(yaml.safe_load(Path('stacks/environments/local.yaml').read_text()))"
)


def measure() -> list[Figure]:
    """Return the figures of the command line."""
    from hxp_enterprise_llm.configuration.loader import load

    local = str(CHECKOUT / "stacks" / "environments" / "local.yaml")
    load(local)
    figures = [
        Figure(
            "`citadel --help`", "s", process([CITADEL, "--help"]),
            "`ansible-inventory --version`", process([tool("ansible-inventory"), "--version"]),
            at_most(0.3),
        ),
        Figure(
            "`citadel config validate local`, a process", "s",
            process([CITADEL, "config", "validate", "local"]),
            "PyYAML and a bare pydantic model, a process", process([sys.executable, "-c", BARE]),
            at_most(0.5),
        ),
        Figure(
            "validate local.yaml in process", "ms", seconds(lambda: load(local), runs=20) * 1000,
            "", None, at_most(50),
        ),
    ]  # fmt: skip
    save("commands", figures)
    return figures


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
