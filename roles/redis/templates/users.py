"""Write Redis' ACL file from the users' rules and the credentials; prints nothing.

Only SHA-256 hashes of the passwords are written, and only below the unit's runtime directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path


def acl(users: dict[str, dict[str, str]], credentials: Path) -> str:
    """Return the ACL file: one line a user, each with the hash of its password."""
    lines = []
    for name, user in users.items():
        password = (credentials / user["credential"]).read_text().rstrip("\n")
        digest = hashlib.sha256(password.encode()).hexdigest()
        lines.append(f"user {name} reset on #{digest} {user['rules']}\n")
    return "".join(lines)


def main() -> None:
    """Write the file that the second argument names from the rules in the first."""
    rules, target = (Path(argument) for argument in sys.argv[1:3])
    credentials = Path(os.environ["CREDENTIALS_DIRECTORY"])
    os.umask(0o077)
    target.write_text(acl(json.loads(rules.read_text()), credentials))


if __name__ == "__main__":
    main()
