"""Start a throw-away Redis on the staged configuration and users, and wait until it answers.

Redis 7 has no way to parse a configuration without starting on it.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_USER = "citadel-redis"
_AS_SERVER = ("setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups", "--")
_START_SECONDS = 30


def prepare(tree: Path, work: Path) -> list[str]:
    """Lay out a trial below `work` with made-up passwords and return its command line."""
    shutil.copytree(tree, work / "tree")
    credentials = work / "credentials"
    credentials.mkdir()
    for name in ("password", "monitor_password"):
        (credentials / name).write_text("trial")
    subprocess.run(
        [sys.executable, "-I", f"{work}/tree/users.py", f"{work}/tree/users.json", f"{work}/acl"],
        env={"CREDENTIALS_DIRECTORY": str(credentials)},
        check=True,
    )
    for path in (work, *work.rglob("*")):
        shutil.chown(path, _USER, _USER)
    places = ("--dir", str(work), "--aclfile", f"{work}/acl", "--unixsocket", f"{work}/socket")
    off = ("--port", "0", "--appendonly", "no", "--supervised", "no", "--logfile", "")
    return [*_AS_SERVER, "redis-server", f"{work}/tree/redis.conf", *places, *off]


def answers(path: Path) -> bool:
    """Return whether a Redis on a socket logs the trial's user in."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        client.sendall(b"AUTH trial\r\n")
        return client.recv(64).startswith(b"+OK")


def trial(tree: Path, work: Path) -> str:
    """Return what is wrong with the staged configuration; nothing when it is sound."""
    command = prepare(tree, work)
    with (work / "log").open("w+") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        try:
            deadline = time.monotonic() + _START_SECONDS
            while time.monotonic() < deadline and server.poll() is None:
                if answers(work / "socket"):
                    return ""
                time.sleep(0.05)
        finally:
            server.terminate()
            server.wait()
        log.seek(0)
        return f"redis-server does not start on the staged configuration\n{log.read()}"


def main() -> None:
    """Try the staged tree that the first argument names."""
    work = Path(tempfile.mkdtemp(prefix="citadel-redis-"))
    try:
        problem = trial(Path(sys.argv[1]), work)
    except subprocess.CalledProcessError as error:
        problem = str(error)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if problem:
        sys.exit(problem)


if __name__ == "__main__":
    main()
