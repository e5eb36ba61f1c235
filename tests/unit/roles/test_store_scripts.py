"""The scripts that run on a store's host: verifiers and hashes instead of passwords."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

ROLES = Path(__file__).parents[3] / "roles"
# RFC 7677, section 3: password `pencil`, this salt, 4096 rounds.
RFC_SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
RFC_STORED = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
RFC_SERVER = "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROLES / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


provision = load("postgres/templates/provision.py")
users = load("redis/templates/users.py")


def kept(password: str = "pencil") -> str:
    verifier: str = provision.verifier(password, base64.b64decode(RFC_SALT))
    return verifier


def test_the_verifier_is_the_one_of_the_rfc() -> None:
    assert kept() == f"SCRAM-SHA-256$4096:{RFC_SALT}${RFC_STORED}:{RFC_SERVER}"


def test_a_password_matches_its_verifier_and_no_other() -> None:
    assert provision.matches("pencil", kept())
    assert not provision.matches("Pencil", kept())


def test_what_is_no_verifier_matches_nothing() -> None:
    for other in ("", "-", "md5abc", "SCRAM-SHA-256$x:y$z:z"):
        assert not provision.matches("pencil", other)


def test_redis_users_are_written_with_hashes_and_never_with_passwords(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    rules = {"default": {"credential": "password", "rules": "~* -@dangerous"}}
    line = users.acl(rules, tmp_path)
    digest = hashlib.sha256(b"hunter2").hexdigest()
    assert line == f"user default reset on #{digest} ~* -@dangerous\n"
    assert "hunter2" not in line


def test_redis_password_file_is_for_its_owner_only(tmp_path: Path) -> None:
    script = load("exporters/templates/password_file.py")
    (tmp_path / "password").write_text('with "quotes"\n')
    target = tmp_path / "out.json"
    script.write(tmp_path, "password", "redis://127.0.0.1:6379", target)
    assert json.loads(target.read_text()) == {"redis://127.0.0.1:6379": 'with "quotes"'}
    assert target.stat().st_mode & 0o077 == 0
