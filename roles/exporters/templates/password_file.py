"""Write the password file of redis_exporter, a JSON object, from a credential; prints nothing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def write(credentials: Path, name: str, address: str, target: Path) -> None:
    """Write the password of one store, readable by its owner only."""
    password = (credentials / name).read_text().rstrip("\n")
    target.touch(mode=0o600)
    target.write_text(json.dumps({address: password}))


def main() -> None:
    """Write the credential and address that the first two arguments name to the third."""
    name, address, target = sys.argv[1:4]
    write(Path(os.environ["CREDENTIALS_DIRECTORY"]), name, address, Path(target))


if __name__ == "__main__":
    main()
