"""One root of errors: each class has a code, a domain and an exit code, and tells the cure."""

from __future__ import annotations

import copy
import pickle
import pkgutil
import re
from collections import Counter
from importlib import import_module

import pytest

import hxp_enterprise_llm
from hxp_enterprise_llm.core.exceptions import (
    BreakerOpenError,
    CitadelError,
    DependencyError,
    ExitCode,
    FaultDomain,
    InvalidConfigurationError,
    InvalidInputError,
    LifecycleError,
    RefusedError,
    RegistryError,
    StartTimeoutError,
    UnexpectedError,
    UnreachableError,
)
from hxp_enterprise_llm.utilities.process import CommandError

pytestmark = pytest.mark.feature("CO-10")


def every_error() -> list[type[CitadelError]]:
    for module in pkgutil.walk_packages(
        hxp_enterprise_llm.__path__, f"{hxp_enterprise_llm.__name__}."
    ):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    found, queue = [], [CitadelError]
    while queue:
        kind = queue.pop()
        queue += kind.__subclasses__()
        if kind.__module__.startswith(hxp_enterprise_llm.__name__):
            found.append(kind)
    return found


def test_every_class_has_a_code_of_its_own() -> None:
    errors = every_error()
    assert len(errors) > 12
    nameless = [kind.__qualname__ for kind in errors if "code" not in vars(kind)]
    assert not nameless, f"give these classes a code: {nameless}"
    twice = [code for code, count in Counter(kind.code for kind in errors).items() if count > 1]
    assert not twice


def test_codes_are_parts_joined_by_dots_and_every_error_has_a_domain() -> None:
    for kind in every_error():
        assert re.fullmatch(r"[a-z]+(\.[a-z0-9]+(-[a-z0-9]+)*)+", kind.code), kind
        assert isinstance(kind.domain, FaultDomain), kind
        assert isinstance(kind.exit_code, ExitCode), kind


@pytest.mark.parametrize(
    ("kind", "exit_code", "domain"),
    [
        (CitadelError, ExitCode.ERROR, FaultDomain.INTERNAL),
        (RefusedError, ExitCode.REFUSED, FaultDomain.POLICY),
        (UnreachableError, ExitCode.UNREACHABLE, FaultDomain.NETWORK),
        (InvalidInputError, ExitCode.REFUSED, FaultDomain.INPUT),
        (InvalidConfigurationError, ExitCode.REFUSED, FaultDomain.CONFIGURATION),
        (DependencyError, ExitCode.UNREACHABLE, FaultDomain.DEPENDENCY),
        (LifecycleError, ExitCode.ERROR, FaultDomain.INTERNAL),
        (StartTimeoutError, ExitCode.ERROR, FaultDomain.DEPENDENCY),
        (RegistryError, ExitCode.REFUSED, FaultDomain.CONFIGURATION),
    ],
)
def test_errors_say_where_the_cure_lies_and_how_a_command_ends(
    kind: type[CitadelError], exit_code: ExitCode, domain: FaultDomain
) -> None:
    error = kind("the disk of llm-1 is full", next_step="Make room.")
    assert (error.exit_code, error.domain) == (exit_code, domain)
    assert str(error) == "the disk of llm-1 is full\n  Make room."
    assert error.as_data() == {
        "code": kind.code,
        "domain": domain.value,
        "message": "the disk of llm-1 is full",
        "next_step": "Make room.",
    }


def test_an_error_without_a_next_step_is_one_line() -> None:
    assert str(CitadelError("gone")) == "gone"


@pytest.mark.parametrize(
    "error",
    [
        CitadelError("gone", next_step="Look."),
        BreakerOpenError("redis", 2.5),
        CommandError(("podman", "ps"), 125, "no such file", next_step="Install it."),
        UnexpectedError("ab12"),
    ],
)
def test_errors_cross_processes_whole(error: CitadelError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert (str(twin), vars(twin), twin.args) == (str(error), vars(error), error.args)


def test_a_held_back_call_says_for_how_long_and_of_what() -> None:
    error = BreakerOpenError("redis", 2.5)
    assert error.retry_after == 2.5
    assert "redis" in error.message
    assert "2.5 s" in error.message
    assert isinstance(error, DependencyError)


def test_an_unexpected_error_names_only_its_incident() -> None:
    error = UnexpectedError("ab12", "the rotation")
    assert error.incident == "ab12"
    assert str(error) == (
        "the rotation failed unexpectedly (incident ab12)\n"
        "  Look for incident ab12 in the service's log."
    )
