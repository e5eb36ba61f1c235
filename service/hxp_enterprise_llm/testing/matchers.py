"""Assertions in the words of the library: they say what was there in place of what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from hxp_enterprise_llm.core.exceptions import CitadelError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from hxp_enterprise_llm.configuration.audit import AuditLog, AuditRecord
    from hxp_enterprise_llm.configuration.diagnostics import Diagnostic

ErrorT = TypeVar("ErrorT", bound=CitadelError)


def expect(condition: object, what: str) -> None:
    """Fail with a sentence when something does not hold.

    Raises:
        AssertionError: It does not hold.
    """
    if not condition:
        raise AssertionError(what)


class Caught(Generic[ErrorT]):
    """What `refused` caught; `error` is there after the block."""

    error: ErrorT


@contextmanager
def refused(
    kind: type[ErrorT], *says: str, code: str | None = None, next_step: str | None = None
) -> Iterator[Caught[ErrorT]]:
    """Demand an error that helps: of a kind, with a code and a next step.

    Args:
        kind: A class of errors of ours.
        says: Pieces of its message.
        code: Its code; the class's own when not given.
        next_step: A piece of its next step; any next step when not given, "" where it has none.

    Raises:
        AssertionError: There was no error, or one that says something else.
    """
    caught: Caught[ErrorT] = Caught()
    try:
        yield caught
    except kind as error:
        _expect_helpful(error, says, code or kind.code, next_step)
        caught.error = error
    else:
        raise AssertionError(f"{kind.__name__} was not raised")


def _expect_helpful(
    error: CitadelError, says: Iterable[str], code: str, next_step: str | None
) -> None:
    expect(error.code == code, f"the code is {error.code}, not {code}")
    for piece in says:
        expect(piece in error.message, f"{piece!r} is not in {error.message!r}")
    if next_step == "":
        expect(not error.next_step, f"there is a next step: {error.next_step!r}")
    else:
        expect(error.next_step, f"there is no next step behind {error.message!r}")
        expect((next_step or "") in error.next_step, f"{next_step!r} is not in {error.next_step!r}")


def finding(
    diagnostics: Iterable[Diagnostic],
    code: str,
    *,
    at: str | None = None,
    path: str | None = None,
) -> Diagnostic:
    """Return the one finding of a code at a place.

    Args:
        diagnostics: What was found.
        code: `C006`.
        at: End of its place: `local.yaml:12`, `variable CITADEL_STATE`.
        path: Its key: `hosts.llm-1.memory`.

    Raises:
        AssertionError: There is none, or more than one.
    """
    from hxp_enterprise_llm.configuration.diagnostics import dotted

    every = tuple(diagnostics)
    found = [
        one
        for one in every
        if one.code == code
        and (at is None or str(one.place).endswith(at))
        and (path is None or dotted(one.path) == path)
    ]
    there = "".join(f"\n  {one.code} {one.place} {dotted(one.path)}" for one in every) or " nothing"
    expect(len(found) == 1, f"{len(found)} of {code} at {at}, key {path}; there is:{there}")
    return found[0]


def metric(
    registry: CollectorRegistry, name: str, labels: Mapping[str, str] | None = None
) -> float:
    """Return the value of one series.

    Args:
        registry: Where it is.
        name: With its ending, such as `_total`.
        labels: All of its labels.

    Raises:
        AssertionError: There is no such series; the text has those of that name.
    """
    value: float | None = registry.get_sample_value(name, dict(labels or {}))
    if value is None:
        samples = [one for family in registry.collect() for one in family.samples]
        near = [str(one.labels) for one in samples if one.name == name]
        others = ", ".join(near) or "none of that name"
        raise AssertionError(f"there is no {name} with {dict(labels or {})}; there is: {others}")
    return value


def audited(log: AuditLog, **fields: str) -> AuditRecord:
    """Return the newest record of an audit log whose event has these fields.

    Args:
        log: It must be whole: its chain is checked.
        fields: `actor`, `action`, `resource`, `outcome`.

    Raises:
        AssertionError: There is none; the text has those there are.
    """
    records = tuple(log.records())
    for record in reversed(records):
        if all(getattr(record.event, name) == value for name, value in fields.items()):
            return record
    there = "".join(f"\n  {one.event}" for one in records) or " nothing"
    raise AssertionError(f"no event has {fields}; there is:{there}")
