"""What a change of a setting does to who uses the service: declared at the field."""

from __future__ import annotations

from enum import StrEnum


class Effect(StrEnum):
    """Effect classes, the mildest first.

    A field that declares none has that of the section that holds it, as that has it itself:
    the nearest declaration above counts.
    """

    LIVE = "live"
    """Taken by the running process; nobody notices."""
    DRAIN = "drain"
    """A new process takes over; requests in flight are finished by the old one."""
    RESTART = "restart"
    """The service stops and starts; it is away for a moment."""
    DANGEROUS = "dangerous"
    """May lose data or lock people out: needs a reason, and somebody else's approval."""
