"""Wait until an engine answers /health; fail at once when its process has ended.

Usage: await_health.py URL PID SECONDS
"""

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


def main():
    """Poll until the engine is healthy, dead or late; return an exit status."""
    url, pid, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not Path("/proc", pid).exists():
            print("the engine ended while it started", file=sys.stderr)
            return 1
        try:
            with urllib.request.urlopen(url, timeout=5):
                return 0
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    print("not healthy after %.0f s" % seconds, file=sys.stderr)
    return 1


sys.exit(main())
