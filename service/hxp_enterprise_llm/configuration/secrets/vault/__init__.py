"""A small async client for Vault and OpenBao: what secrets need, and no more."""
