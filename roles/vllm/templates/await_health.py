"""Wait until an engine answers /health; fail at once when its process has ended.

Usage: await_health.py URL PID SECONDS
"""

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


def main():
    """Poll until the engine is healthy, dead or late; return what went wrong."""
    url, pid, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not Path("/proc", pid).exists():
            return "the engine ended while it started"
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 (the unit names a loopback address)
                return None
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    return f"not healthy after {seconds:.0f} s"


sys.exit(main())
