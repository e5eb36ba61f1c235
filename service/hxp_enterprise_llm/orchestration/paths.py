"""Where things lie: the checkout, its state folder, and the cache that checkouts share."""

from __future__ import annotations

import os
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError


def checkout() -> Path:
    """Return the root of the checkout that the current folder, or this package, is in.

    Raises:
        CitadelError: There is no Pulumi.yaml in any folder above.
    """
    for start in (Path.cwd(), Path(__file__).resolve()):
        for folder in (start, *start.parents):
            if (folder / "Pulumi.yaml").is_file() and (folder / "stacks").is_dir():
                return folder
    raise CitadelError("this is not a Citadel checkout", next_step="cd into the cloned repository.")


def state() -> Path:
    """Return `.citadel/` of the checkout, made with mode 0700 when it is missing."""
    folder = checkout() / ".citadel"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def environment_state(name: str) -> Path:
    """Return `.citadel/NAME/` (keys, known hosts, fleet, locks), made when it is missing."""
    folder = state() / name
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def cache() -> Path:
    """Return the cache folder that the user's checkouts share (`$XDG_CACHE_HOME/citadel`)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "citadel"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
