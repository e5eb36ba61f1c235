"""What a rule is about: the kinds of checks that a report sums up by."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Category(StrEnum):
    """Kinds of checks."""

    SCHEMA = "schema"
    """Form, keys, types and bounds."""
    REFERENCE = "reference"
    """A name that stands for something elsewhere: a source, a secret, a rule, an address."""
    DEPENDENCY = "dependency"
    """What something needs is there, and nothing waits in a circle."""
    CONSISTENCY = "consistency"
    """Keys do not contradict each other."""
    PERFORMANCE = "performance"
    """Memory, times and limits allow what is asked for."""
    SECURITY = "security"
    """Nothing is open, and no secret gets out."""


# By the start of the id; the longest that fits counts.
_CATEGORIES: Mapping[str, Category] = {
    "C0": Category.SCHEMA,
    "C005": Category.REFERENCE,
    "C1": Category.SCHEMA,
    "C105": Category.SECURITY,
    "C106": Category.SECURITY,
    "C107": Category.SECURITY,
    "C110": Category.SECURITY,
    "C20": Category.DEPENDENCY,
    "C202": Category.CONSISTENCY,
    "C203": Category.SECURITY,
    "C207": Category.CONSISTENCY,
    "C21": Category.PERFORMANCE,
    "C215": Category.DEPENDENCY,
    "C22": Category.DEPENDENCY,
    "C23": Category.CONSISTENCY,
    "C30": Category.CONSISTENCY,
    "C31": Category.SECURITY,
    "C32": Category.CONSISTENCY,
    "C33": Category.PERFORMANCE,
    "C34": Category.SECURITY,
    "C340": Category.REFERENCE,
    "C341": Category.REFERENCE,
    "C35": Category.REFERENCE,
    "C36": Category.PERFORMANCE,
    "C39": Category.CONSISTENCY,
    "C40": Category.CONSISTENCY,
    "C401": Category.SECURITY,
    "C403": Category.PERFORMANCE,
    "C404": Category.PERFORMANCE,
    "C405": Category.SECURITY,
    "C407": Category.DEPENDENCY,
    "C410": Category.PERFORMANCE,
    "C411": Category.CONSISTENCY,
    "C412": Category.REFERENCE,
    "C413": Category.SCHEMA,
    "C9": Category.CONSISTENCY,
    "C901": Category.REFERENCE,
}


def category_of(rule_id: str) -> Category:
    """Return what a rule is about.

    Raises:
        KeyError: No category covers its id; add one to the table.
    """
    for length in range(len(rule_id), 1, -1):
        found = _CATEGORIES.get(rule_id[:length])
        if found is not None:
            return found
    raise KeyError(rule_id)
