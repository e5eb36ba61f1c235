"""Start a throw-away Redis on the staged configuration and users, and wait until it answers.

Redis 7 has no way to parse a configuration without starting on it.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

from trial import as_user, attempt, judge

_USER = "citadel-redis"
_START_SECONDS = 30


def prepare(work: Path) -> list[str]:
    """Lay out a trial below `work` with made-up passwords and return its command line."""
    credentials = work / "credentials"
    credentials.mkdir()
    for name in ("password", "monitor_password"):
        (credentials / name).write_text("trial")
    subprocess.run(
        [sys.executable, "-I", f"{work}/tree/users.py", f"{work}/tree/users.json", f"{work}/acl"],
        env={"CREDENTIALS_DIRECTORY": str(credentials)},
        check=True,
    )
    for path in work.rglob("*"):
        shutil.chown(path, _USER, _USER)
    places = ("--dir", str(work), "--aclfile", f"{work}/acl", "--unixsocket", f"{work}/socket")
    off = ("--port", "0", "--appendonly", "no", "--supervised", "no", "--logfile", "")
    return [*as_user(_USER), "redis-server", f"{work}/tree/redis.conf", *places, *off]


def answers(path: Path) -> bool:
    """Return whether a Redis on a socket logs the trial's user in."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        client.sendall(b"AUTH trial\r\n")
        return client.recv(64).startswith(b"+OK")


def trial(work: Path) -> str:
    """Return what is wrong with the staged configuration; nothing when it is sound."""
    command, where = prepare(work), work / "socket"
    return attempt(command, work / "log", lambda: "" if answers(where) else None, _START_SECONDS)


if __name__ == "__main__":
    judge(trial, _USER)
