"""Take off a host what Citadel put there, with the code that runs on hosts anyway."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any

from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.schemas.outputs import SshEndpoint
from providers.ssh.session import execute

# Engines finish what they are answering before they stop.
_SECONDS = 1800.0
_PACKAGE = "playbooks/plugins/module_utils/citadel_bundle"
_SCRIPT = """
import base64, json, sys, tempfile
with tempfile.NamedTemporaryFile(suffix=".zip") as file:
    file.write(base64.b64decode(sys.stdin.read()))
    file.flush()
    sys.path.insert(0, file.name)
    from citadel_bundle import leave, system
    try:
        print(json.dumps(leave.leave(system.Host())))
    except (system.BundleError, OSError) as error:
        sys.exit(str(error))
"""


def take_off(name: str, endpoint: SshEndpoint) -> list[str]:
    """Remove services, units, credentials and artifacts; return the folders of data that stay.

    Args:
        name: Name of the host, for errors.
        endpoint: How to reach it; `identity_file` is absolute.

    Raises:
        UnreachableError: It does not answer.
        CitadelError: Something could not be removed; a second try goes on from there.
    """
    words = ("sudo", "-n", "python3", "-I", "-c", _SCRIPT)
    done: dict[str, Any] = json.loads(execute(name, endpoint, words, _archive(), _SECONDS))
    kept: list[str] = done["kept"]
    return kept


def _archive() -> str:
    """Return the package that runs on hosts, as the text of a zip file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((checkout() / _PACKAGE).glob("*.py")):
            archive.write(path, f"citadel_bundle/{path.name}")
    return base64.b64encode(content.getvalue()).decode()
