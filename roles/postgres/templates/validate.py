"""Start a throw-away PostgreSQL on the staged configuration and ask it what it cannot read.

`postgres -C` parses only postgresql.conf; this also covers pg_hba.conf, pg_ident.conf and values
that parse but keep the server from starting.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_BIN = Path("/usr/lib/postgresql/15/bin")
_USER = "citadel-postgres"
_AS_SERVER = ("setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups", "--")
_START_SECONDS = 60
_ERRORS = """
SELECT 'pg_hba.conf line ' || line_number || ': ' || error
FROM pg_hba_file_rules WHERE error IS NOT NULL
UNION ALL SELECT 'pg_ident.conf line ' || line_number || ': ' || error
FROM pg_ident_file_mappings WHERE error IS NOT NULL;
"""


def as_server(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program as the server's user, as root it refuses."""
    full = [*_AS_SERVER, *command]
    return subprocess.run(full, capture_output=True, text=True, check=False, cwd="/")


def options(tree: Path, work: Path) -> dict[str, str]:
    """Return what the trial does otherwise than the server: its place and its listeners."""
    return {
        "config_file": f"{tree}/postgresql.conf",
        "data_directory": f"{work}/data",
        "hba_file": f"{tree}/pg_hba.conf",
        "ident_file": f"{tree}/pg_ident.conf",
        "unix_socket_directories": str(work),
        "listen_addresses": "",
        "fsync": "off",
    }


def trial(tree: Path, work: Path) -> str:
    """Return what is wrong with the staged configuration; nothing when it is sound."""
    shutil.copytree(tree, work / "tree")
    tree = work / "tree"
    made = as_server(str(_BIN / "initdb"), "-D", f"{work}/data", "--no-sync", "-U", "postgres")
    if made.returncode != 0:
        return made.stderr
    flags = [part for item in options(tree, work).items() for part in ("-c", "=".join(item))]
    command = [*_AS_SERVER, str(_BIN / "postgres"), "-D", f"{work}/data", *flags]
    with (work / "log").open("w+") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        try:
            problem = _wait(server, work) or _ask(work)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()
        log.seek(0)
        return f"{problem}\n{log.read()}" if problem else ""


def _wait(server: subprocess.Popen[bytes], work: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            return "the server does not start on the staged configuration"
        if any(work.glob(".s.PGSQL.*[0-9]")):
            answer = _psql(work, "SELECT 1")
            if answer.returncode == 0:
                return ""
            if "starting up" not in answer.stderr:
                return answer.stderr
        time.sleep(0.05)
    return f"the server did not start within {_START_SECONDS} s"


def _ask(work: Path) -> str:
    answer = _psql(work, _ERRORS)
    return answer.stdout.strip() if answer.returncode == 0 else answer.stderr


def _psql(work: Path, statement: str) -> subprocess.CompletedProcess[str]:
    port = next(work.glob(".s.PGSQL.*[0-9]")).name.rpartition(".")[2]
    where = ("-h", str(work), "-p", port, "-U", "postgres")
    return as_server(str(_BIN / "psql"), "-XAt", *where, "-c", statement)


def main() -> None:
    """Try the staged tree that the first argument names."""
    work = Path(tempfile.mkdtemp(prefix="citadel-postgres-"))
    try:
        shutil.chown(work, _USER, _USER)
        problem = trial(Path(sys.argv[1]), work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if problem:
        sys.exit(problem)


if __name__ == "__main__":
    main()
