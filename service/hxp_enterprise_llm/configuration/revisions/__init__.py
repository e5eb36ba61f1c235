"""Revisions: every configuration that was ever applied, in a chain that shows tampering."""

from __future__ import annotations

from hxp_enterprise_llm.configuration.revisions.base import (
    Head,
    Revision,
    RevisionError,
    Shelf,
    Signer,
    TamperedRevisionError,
    UnknownRevisionError,
    identity,
)
from hxp_enterprise_llm.configuration.revisions.files import FileShelf
from hxp_enterprise_llm.configuration.revisions.memory import MemoryShelf
from hxp_enterprise_llm.configuration.revisions.postgres import PostgresShelf
from hxp_enterprise_llm.configuration.revisions.store import Revisions

__all__ = [
    "FileShelf",
    "Head",
    "MemoryShelf",
    "PostgresShelf",
    "Revision",
    "RevisionError",
    "Revisions",
    "Shelf",
    "Signer",
    "TamperedRevisionError",
    "UnknownRevisionError",
    "identity",
]
