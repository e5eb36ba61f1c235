"""Removes what an environment has on this machine, whether a stack knows of it or not."""

from __future__ import annotations

from pathlib import Path

from hxp_enterprise_llm.orchestration.paths import cache
from providers.local.naming import SCOPE, prefix
from providers.local.podman import names, podman
from providers.local.slots import release


def sweep(checkout: Path, environment: str) -> None:
    """Remove containers, volumes and networks of an environment, and give its slot back.

    Args:
        checkout: Root of the checkout.
        environment: Name of the environment.
    """
    # One label: podman joins several by "or" for some kinds of object.
    own = ("--filter", f"label={SCOPE}={prefix(checkout, environment)}")
    for name in names("ps", "--all", *own):
        podman("rm", "--force", "--ignore", "--time", "5", name)
    for kind in ("volume", "network"):
        for name in names(kind, "ls", *own):
            podman(kind, "rm", name)
    release(cache() / "slots", checkout, environment)
