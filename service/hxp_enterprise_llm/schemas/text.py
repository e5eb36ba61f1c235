"""Types of texts that end up in files, units and commands: none can break out of its place."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(\.{_LABEL})*"
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"({_OCTET}\.){{3}}{_OCTET}"
_IPV6 = r"\[?[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%\w+)?\]?"
_USER = r"[A-Za-z_][A-Za-z0-9_.-]{0,31}"
_NO_IPV6 = "IPv6 is not supported yet; write an IPv4 address or a DNS name"
_DATABASES = frozenset(
    {"all", "sameuser", "samerole", "samegroup", "replication"}
    | {"postgres", "template0", "template1"}
)
_ROLES = frozenset(
    {"all", "replication", "postgres", "citadel_monitor", "citadel", "root"}
    | {"public", "none", "user", "current_user", "current_role", "session_user"}
)


def _refuse_unless(pattern: str, wanted: str) -> AfterValidator:
    form = re.compile(pattern)

    def check(value: str) -> str:
        if form.fullmatch(value) is None or not value.isprintable():
            raise ValueError(f"write {wanted}")
        return value

    return AfterValidator(check)


def _schema(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


def _refuse_reserved(names: Collection[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if value in names or value.startswith("pg_"):
            raise ValueError(
                f"write another name; this one is PostgreSQL's or Citadel's own {what}"
            )
        return value

    return AfterValidator(check)


def _refuse_dots(value: str) -> str:
    if {".", ".."} & set(value.split("/")):
        raise ValueError("write the path without the parts `.` and `..`")
    return value


def check_address(value: str) -> str:
    """Return an IPv4 address or a DNS name.

    Raises:
        ValueError: It is neither, such as an IPv6 address.
    """
    if re.fullmatch(_IPV6, value):
        raise ValueError(_NO_IPV6)
    is_number = re.fullmatch(r"[0-9]+", value.rpartition(".")[2]) is not None
    form = _IPV4 if is_number else _HOST
    if len(value) > 253 or re.fullmatch(form, value) is None:
        raise ValueError("write an IPv4 address or a DNS name, such as 192.168.10.28")
    return value


def check_jump(value: str) -> str:
    """Return a jump host: `host`, `user@host` or `user@host:port`.

    Raises:
        ValueError: It has another form.
    """
    user, at, rest = value.rpartition("@")
    if re.fullmatch(_IPV6, rest):
        raise ValueError(_NO_IPV6)
    host, colon, port = rest.partition(":")
    valid_user = re.fullmatch(_USER, user) is not None or not at
    valid_port = re.fullmatch(r"[1-9][0-9]{0,4}", port) is not None and int(port) < 65536
    if not valid_user or not (valid_port or not colon):
        raise ValueError("write `user@host:port`, such as citadel@192.168.10.1:22")
    check_address(host)
    return value


def _number_as_text(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


_PATH = r"(/[A-Za-z0-9_.+-]+)+"
AbsolutePath = Annotated[
    str,
    _refuse_unless(
        _PATH, "an absolute path of letters, digits and `._+-`, without a `/` at its end"
    ),
    AfterValidator(_refuse_dots),
    _schema(_PATH),
]
"""A folder on a host."""

_KEY_FILE = r"[A-Za-z0-9_./~][A-Za-z0-9_./~+@=-]*"
KeyFile = Annotated[
    str,
    _refuse_unless(_KEY_FILE, "a path of letters, digits and `._/~+@=-`"),
    _schema(_KEY_FILE),
]
"""A file on the controller, absolute, relative, or below `~`."""

_LOCAL = r"[\w./~+@=:,][\w ./~+@=:,()-]*"
LocalPath = Annotated[
    str,
    _refuse_unless(_LOCAL, "a path of letters, digits, spaces and `._/~+@=:,()-`"),
    _schema(_LOCAL),
]
"""A file on the controller, wherever the checkout lies."""

HOST_KEY = r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp[0-9]+) [A-Za-z0-9+/]+=*"
HostKey = Annotated[
    str,
    _refuse_unless(HOST_KEY, "a public key, `type base64`, such as ssh-ed25519 AAAA…"),
    _schema(HOST_KEY),
]
"""A public SSH host key, as one line of known_hosts holds it."""

_SQL = r"[a-z_][a-z0-9_]{0,62}"
_SQL_WORDS = "small letters, digits and `_`, at most 63, not beginning with a digit"
DatabaseName = Annotated[
    str,
    _refuse_unless(_SQL, _SQL_WORDS),
    _refuse_reserved(_DATABASES, "database or keyword"),
    _schema(_SQL),
]
"""A database of our own."""
DatabaseUser = Annotated[
    str,
    _refuse_unless(_SQL, _SQL_WORDS),
    _refuse_reserved(_ROLES, "user or keyword"),
    _schema(_SQL),
]
"""A role of PostgreSQL of our own."""

Address = Annotated[str, AfterValidator(check_address), _schema(_HOST)]
"""An IPv4 address or a DNS name."""

SshUser = Annotated[
    str,
    _refuse_unless(_USER, "letters, digits and `_.-`, beginning with a letter or `_`"),
    _schema(_USER),
]
"""An account; it can never be read as an option of ssh."""
JumpHost = Annotated[
    str, AfterValidator(check_jump), _schema(rf"({_USER}@)?{_HOST}(:[0-9]{{1,5}})?")
]
"""A host on the way."""

_LINE = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*"
Line = Annotated[
    str,
    _refuse_unless(_LINE, "one line of visible characters, without line breaks or control ones"),
    _schema(_LINE),
]
"""A text that cannot begin a line of its own."""
VariableValue = Annotated[Line, BeforeValidator(_number_as_text)]
"""The value of a variable; a number is taken as its text."""
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
"""The name of a variable."""

_SERVED = r"[A-Za-z0-9@][A-Za-z0-9._/:@+-]{0,127}"
ServedName = Annotated[
    str,
    _refuse_unless(_SERVED, "letters, digits and `._/:@+-`, at most 128"),
    _schema(_SERVED),
]
"""The name of a model that callers use."""

_LOCATOR = r"[^\s\"'\\-][^\s\"'\\]*"
Locator = Annotated[
    str,
    _refuse_unless(_LOCATOR, "it without spaces, quotes and backslashes, not beginning with `-`"),
    _schema(_LOCATOR),
]
"""Where something is: a source, a backend; never an option of a command."""
_STATE = r"(file|s3|gs|azblob|postgres|postgresql|https?)://[^\s\"'\\]+"
StateUrl = Annotated[
    str,
    _refuse_unless(_STATE, "a URL such as s3://bucket or file:///srv/state"),
    _schema(_STATE),
]
"""Where Pulumi keeps its state."""
_KEEPER = r"passphrase|(awskms|azurekeyvault|gcpkms|hashivault)://[^\s\"'\\]+"
SecretsProvider = Annotated[
    str,
    _refuse_unless(_KEEPER, "passphrase, or a key such as awskms://alias/citadel"),
    _schema(f"({_KEEPER})"),
]
"""What seals the secrets of Pulumi's state."""
_URL = r"https?://[^\s\"'\\<>`{}|^]+"
WebUrl = Annotated[str, _refuse_unless(_URL, "a URL such as https://host/path"), _schema(_URL)]
"""A page of the web."""

_PREFIX = r"[A-Za-z0-9_.:-]{0,64}"
KeyPrefix = Annotated[
    str, _refuse_unless(_PREFIX, "letters, digits and `_.:-`, at most 64"), _schema(_PREFIX)
]
"""The start of the names of keys in Redis."""
