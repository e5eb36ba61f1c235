"""Make the database, its users and their passwords; change only what differs.

Runs on the host as the server's own user, over the socket. It hands the server a SCRAM verifier
(RFC 5802, RFC 7677) instead of a password, so that no statement, log or process list has one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

_ITERATIONS = 4096
_SALT_BYTES = 16
_PSQL = "/usr/lib/postgresql/15/bin/psql"


def verifier(password: str, salt: bytes, iterations: int = _ITERATIONS) -> str:
    """Return what PostgreSQL keeps in `pg_authid.rolpassword` for a password."""
    normal = unicodedata.normalize("NFKC", password).encode()
    salted = hashlib.pbkdf2_hmac("sha256", normal, salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(iterations, *parts)


def matches(password: str, kept: str) -> bool:
    """Return whether a kept verifier was made from this password."""
    try:
        method, head, _ = kept.split("$")
        iterations, salt = head.split(":")
        made = verifier(password, base64.b64decode(salt), int(iterations))
    except ValueError:
        return False
    return method == "SCRAM-SHA-256" and hmac.compare_digest(made, kept)


def identifier(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Quote a text for SQL."""
    return "'" + value.replace("'", "''") + "'"


def sql(statement: str, *, database: str = "postgres", port: int) -> str:
    """Run a statement, fed by stdin, and return its rows as text."""
    command = [_PSQL, "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "/run/citadel-postgres"]
    command += ["-p", str(port), "-U", "postgres", "-d", database]
    done = subprocess.run(command, input=statement, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"provision: psql ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def provision_user(name: str, password: str, port: int) -> bool:
    """Make a user or give it its password; return whether anything was changed."""
    kept = sql(
        "SELECT coalesce(rolpassword, '-') FROM pg_authid "
        f"WHERE rolname = {literal(name)} AND rolcanlogin",
        port=port,
    )
    if matches(password, kept):
        return False
    secret = literal(verifier(password, os.urandom(_SALT_BYTES)))
    exists = sql(f"SELECT 1 FROM pg_roles WHERE rolname = {literal(name)}", port=port)
    verb = "ALTER" if exists else "CREATE"
    # The verifier must not reach the log either, should the statement fail.
    quiet = "SET log_min_error_statement = panic; SET log_min_duration_statement = -1; "
    sql(f"{quiet}{verb} ROLE {identifier(name)} LOGIN PASSWORD {secret};", port=port)
    return True


def provision_database(name: str, owner: str, port: int) -> bool:
    """Make a database that only its owner may enter; return whether it was made."""
    found = sql(f"SELECT 1 FROM pg_database WHERE datname = {literal(name)}", port=port)
    if not found:
        sql(f"CREATE DATABASE {identifier(name)} OWNER {identifier(owner)};", port=port)
    sql(
        f"ALTER DATABASE {identifier(name)} OWNER TO {identifier(owner)}; "
        f"REVOKE ALL ON DATABASE {identifier(name)} FROM PUBLIC;",
        port=port,
    )
    return not found


def main() -> None:
    """Read what is wanted and the credentials, and say what was changed."""
    wanted = json.loads(Path(sys.argv[1]).read_text())
    credentials = Path(os.environ["CREDENTIALS_DIRECTORY"])
    port, monitor = wanted["port"], wanted["monitor_user"]
    changed = [
        name
        for name, file in ((wanted["user"], "password"), (monitor, "monitor_password"))
        if provision_user(name, (credentials / file).read_text().rstrip("\n"), port)
    ]
    if provision_database(wanted["database"], wanted["user"], port):
        changed.append(wanted["database"])
    sql(
        f"GRANT pg_monitor TO {identifier(monitor)}; "
        "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;",
        port=port,
    )
    sys.stdout.write(f"provision: changed {', '.join(changed) or 'nothing'}\n")


if __name__ == "__main__":
    main()
