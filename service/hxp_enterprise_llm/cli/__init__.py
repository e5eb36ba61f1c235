"""The `citadel` command, one module a noun."""
