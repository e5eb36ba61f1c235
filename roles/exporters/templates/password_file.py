"""Write the password file of redis_exporter, a JSON object, from a credential; prints nothing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Write the credential and address that the first two arguments name to the third."""
    credential, address, target = sys.argv[1:4]
    password = Path(os.environ["CREDENTIALS_DIRECTORY"], credential).read_text().rstrip("\n")
    os.umask(0o077)
    Path(target).write_text(json.dumps({address: password}))


if __name__ == "__main__":
    main()
