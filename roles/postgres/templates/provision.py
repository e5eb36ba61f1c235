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


def sql(statement: str, port: int, **names: str) -> str:
    """Run statements, fed by stdin, and return their rows as text.

    Args:
        statement: SQL with psql's `:"name"` for identifiers and `:'name'` for texts.
        port: The server's port.
        names: What these stand for; never a secret, they are arguments of psql.
    """
    command = [_PSQL, "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "/run/citadel-postgres"]
    command += ["-p", str(port), "-U", "postgres", "-d", "postgres"]
    command += [part for name, value in names.items() for part in ("-v", f"{name}={value}")]
    done = subprocess.run(command, input=statement, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"provision: psql ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def provision_user(user: str, password: str, port: int) -> bool:
    """Make a user or give it its password; return whether anything was changed."""
    found = sql("SELECT coalesce(rolpassword, '-') FROM pg_authid WHERE rolname = :'user'",
                port, user=user)  # fmt: skip
    if matches(password, found):
        return False
    verb = "ALTER" if found else "CREATE"
    made = verifier(password, os.urandom(_SALT_BYTES))
    # The verifier must not reach the log either, should the statement fail.
    quiet = "SET log_min_error_statement = panic; SET log_min_duration_statement = -1;"
    sql(f"{quiet}\\set made '{made}'\n{verb} ROLE :\"user\" LOGIN PASSWORD :'made';",
        port, user=user)  # fmt: skip
    return True


def provision_database(database: str, owner: str, port: int) -> bool:
    """Make a database that only its owner may enter; return whether it was made."""
    found = sql("SELECT 1 FROM pg_database WHERE datname = :'name'", port, name=database)
    if not found:
        sql('CREATE DATABASE :"name" OWNER :"owner";', port, name=database, owner=owner)
    rights = 'ALTER DATABASE :"name" OWNER TO :"owner"; REVOKE ALL ON DATABASE :"name" FROM PUBLIC;'
    sql(rights, port, name=database, owner=owner)
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
    rights = 'GRANT pg_monitor TO :"monitor"; CREATE EXTENSION IF NOT EXISTS pg_stat_statements;'
    sql(rights, port, monitor=monitor)
    sys.stdout.write(f"provision: changed {', '.join(changed) or 'nothing'}\n")


if __name__ == "__main__":
    main()
