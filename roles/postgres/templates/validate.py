"""Start a throw-away PostgreSQL on the staged configuration and ask it what it cannot read.

`postgres -C` parses only postgresql.conf; this also covers pg_hba.conf, pg_ident.conf and values
that parse but keep the server from starting.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from trial import as_user, attempt, judge

_BIN = Path("/usr/lib/postgresql/15/bin")
_USER = "citadel-postgres"
_START_SECONDS = 60
_ERRORS = """
SELECT 'pg_hba.conf line ' || line_number || ': ' || error
FROM pg_hba_file_rules WHERE error IS NOT NULL
UNION ALL SELECT 'pg_ident.conf line ' || line_number || ': ' || error
FROM pg_ident_file_mappings WHERE error IS NOT NULL;
"""


def as_server(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program as the server's user, as root it refuses."""
    full = [*as_user(_USER), *command]
    return subprocess.run(full, capture_output=True, text=True, check=False, cwd="/")


def options(work: Path) -> dict[str, str]:
    """Return what the trial does otherwise than the server: its place and its listeners."""
    return {
        "config_file": f"{work}/tree/postgresql.conf",
        "data_directory": f"{work}/data",
        "hba_file": f"{work}/tree/pg_hba.conf",
        "ident_file": f"{work}/tree/pg_ident.conf",
        "unix_socket_directories": str(work),
        "listen_addresses": "",
        "fsync": "off",
    }


def trial(work: Path) -> str:
    """Return what is wrong with the staged configuration; nothing when it is sound."""
    made = as_server(str(_BIN / "initdb"), "-D", f"{work}/data", "--no-sync", "-U", "postgres")
    if made.returncode != 0:
        return made.stderr
    flags = [part for item in options(work).items() for part in ("-c", "=".join(item))]
    command = [*as_user(_USER), str(_BIN / "postgres"), "-D", f"{work}/data", *flags]
    return attempt(command, work / "log", lambda: _verdict(work), _START_SECONDS)


def _verdict(work: Path) -> str | None:
    if not any(work.glob(".s.PGSQL.*[0-9]")):
        return None
    answer = _psql(work, _ERRORS)
    if answer.returncode == 0:
        return answer.stdout.strip()
    return None if "starting up" in answer.stderr else answer.stderr


def _psql(work: Path, statement: str) -> subprocess.CompletedProcess[str]:
    port = next(work.glob(".s.PGSQL.*[0-9]")).name.rpartition(".")[2]
    where = ("-h", str(work), "-p", port, "-U", "postgres")
    return as_server(str(_BIN / "psql"), "-XAt", *where, "-c", statement)


if __name__ == "__main__":
    judge(trial, _USER)
