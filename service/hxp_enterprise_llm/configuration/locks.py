"""Which vLLM the locks of the checkout pin."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.paths import checkout

# A lock has half a megabyte; a TOML parser takes 100 times as long for this one line.
_PIN = re.compile(r'^name = "vllm(?:-cpu|-rocm)?"\nversion = "([^"]+)"', re.MULTILINE)


def lock_versions() -> dict[str, str]:
    """Return lock file → version of vLLM, for each lock of the checkout that pins one."""
    try:
        folder = checkout() / "locks"
    except CitadelError:
        return {}
    return pins(folder)


def pins(folder: Path) -> dict[str, str]:
    """Return the versions of vLLM that the locks of a folder pin."""
    found = {
        f"locks/{path.name}": _pin(path, path.stat().st_mtime_ns, path.stat().st_ino)
        for path in sorted(folder.glob("pylock.vllm-*.toml"))
    }
    return {name: version for name, version in found.items() if version}


@lru_cache(maxsize=16)
def _pin(path: Path, _written: int, _inode: int) -> str | None:
    """Return the version that a lock pins; reading it is a third of a load, so it is kept."""
    match = _PIN.search(path.read_text(encoding="utf-8"))
    return match[1] if match else None
