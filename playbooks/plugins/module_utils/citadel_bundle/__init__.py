"""Bundles on a host: apply, read and remove. Standard library only, Python 3.9 or newer (D5)."""
