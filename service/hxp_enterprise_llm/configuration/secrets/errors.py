"""What can go wrong with secrets; no text holds a value."""

from __future__ import annotations

from hxp_enterprise_llm.core.exceptions import (
    CitadelError,
    FaultDomain,
    RefusedError,
    UnreachableError,
)


class SecretError(CitadelError):
    """A secret cannot be read, opened or written."""

    code = "secrets.error"
    domain = FaultDomain.SECRET


class SecretNotFoundError(SecretError):
    """There is no secret at a path."""

    code = "secrets.not-found"


class TamperedError(SecretError):
    """An envelope or a file was changed, or belongs to another path or key."""

    code = "secrets.tampered"


class SecretFileError(SecretError):
    """The system does not let a file of secrets be read or written."""

    code = "secrets.file"


class WrongPassphraseError(SecretError):
    """A backup is whole as far as one can tell, and sealed under another passphrase."""

    code = "secrets.wrong-passphrase"


class UnknownKeyError(SecretError):
    """The key ring lacks the key that an envelope names."""

    code = "secrets.unknown-key"


class SecretRefusedError(RefusedError):
    """A reference, a backend or a file cannot be used as it is."""

    code = "secrets.refused"
    domain = FaultDomain.SECRET


class AccessDeniedError(RefusedError):
    """No rule allows an actor what it asked for."""

    code = "secrets.access-denied"
    domain = FaultDomain.POLICY


class BackendAwayError(UnreachableError):
    """A backend does not answer, or not in time."""

    code = "secrets.backend-away"
    domain = FaultDomain.DEPENDENCY


class VaultRefusedError(SecretError):
    """Vault understood a request and refused it."""

    code = "secrets.vault-refused"


class VaultSealedError(BackendAwayError):
    """Vault answers, and is sealed."""

    code = "secrets.vault-sealed"
