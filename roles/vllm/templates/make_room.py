"""Free the page cache under this host's memory limit, before vLLM looks how much is left.

vLLM counts cached files as used (vllm/utils/cpu_resource_utils.py): in a container whose cache is
full, as it is after artifacts were copied, it would not start. Without a limit nothing is done.

Usage: make_room.py [FOLDER OF CONTROL GROUPS]
"""

import sys
from pathlib import Path

_UNLIMITED = 2**62  # control groups v1 say "no limit" by a number near 2^63


def main():
    """Ask the kernel once; an engine may start whatever it answers."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "/sys/fs/cgroup")
    try:
        if _read(root / "memory.max").isdigit():
            cached = _cached(_read(root / "memory.stat"))
            (root / "memory.reclaim").write_text(str(cached))
        elif int(_read(root / "memory/memory.limit_in_bytes") or _UNLIMITED) < _UNLIMITED:
            (root / "memory/memory.force_empty").write_text("0")
    except OSError as error:
        # EAGAIN: the kernel freed less than it was asked for.
        print(f"page cache: {error}", file=sys.stderr)  # noqa: T201


def _read(path):
    return path.read_text().strip() if path.is_file() else ""


def _cached(statistics):
    pairs = dict(line.split() for line in statistics.splitlines())
    return int(pairs["inactive_file"]) + int(pairs["active_file"])


main()
