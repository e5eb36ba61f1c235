"""What commands on secrets share: the manager of an environment, and words for a secret."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hxp_enterprise_llm.cli.console import Output, print_json
from hxp_enterprise_llm.cli.target import Target, open_target
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.secrets.backends.base import SecretInfo
    from hxp_enterprise_llm.configuration.secrets.manager import SecretManager

T = TypeVar("T")
NameArgument = Annotated[
    str, typer.Argument(help="Its path; of another backend with its scheme: vault:kv/db#password")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change and end.")]


@contextmanager
def system_refusals() -> Iterator[None]:
    """Say of a file that the system refuses which one it is; it is no fault in Citadel.

    Raises:
        CitadelError: It was refused.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise CitadelError(
            f"{error.filename}: {error.strerror}",
            next_step="Mend the owner and mode of it and of its folder, or make room.",
        ) from None


def with_manager(
    environment: str, work: Callable[[SecretManager, str], Awaitable[T]], *addresses: str
) -> T:
    """Do some work with the manager of an environment, and return what comes of it.

    Args:
        environment: Its name or file.
        work: Takes the manager, and who runs this command.
        addresses: Their backends are opened beside the local ones.
    """
    return with_target(open_target(environment), work, *addresses)


def with_target(
    target: Target,
    work: Callable[[SecretManager, str], Awaitable[T]],
    *addresses: str,
    strict: bool = True,
) -> T:
    """Do the same with an open environment.

    Args:
        target: The environment.
        work: Takes the manager, and who runs this command.
        addresses: Their backends are opened beside the local ones.
        strict: Refuse when one of them is not set up; else it says so when it is used.
    """
    from hxp_enterprise_llm.configuration.secrets.references import (
        local_manager,
        operator,
        policy_of,
    )

    schemes = {address.partition(":")[0] for address in addresses}

    async def opened() -> T:
        policy = policy_of(target.loaded)
        manager = local_manager(target.state, os.environ, schemes, strict=strict, policy=policy)
        try:
            return await work(manager, operator())
        finally:
            await manager.aclose()

    with system_refusals():
        return asyncio.run(opened())


def told(info: SecretInfo, text: str, output: Output) -> int:
    """Print what is known of a secret, and return the exit code."""
    if output is Output.JSON:
        print_json(document_of(info))
    else:
        typer.echo(text)
    return ExitCode.OK


def document_of(info: SecretInfo) -> dict[str, Any]:
    """Return what is known of a secret as JSON has it."""
    from dataclasses import asdict

    return asdict(info)


def line_of(info: SecretInfo) -> str:
    """Return what is known of a secret in a line."""
    rule = info.rule
    every = f", due after {rule.every_days} days" if rule.every_days else ""
    hook = f", renewed by {rule.hook}" if rule.hook else ""
    key = f", sealed with {info.key_id}" if info.key_id else ""
    open_end = ", a rotation did not end" if info.pending else ""
    age = age_text(info) if ahead(info) else f"{age_text(info)} old"
    return f"{info.path}: version {info.version}, {age}{key}{every}{hook}{open_end}"


def age_text(info: SecretInfo) -> str:
    """Return how old a secret is."""
    from hxp_enterprise_llm.configuration.secrets.keyring import utc_now

    if info.made_at is None:
        return "unknown"
    if ahead(info):
        return "of the future"
    return duration(max(utc_now() - info.made_at, timedelta()))


def ahead(info: SecretInfo) -> bool:
    """Return whether a secret's time lies in the future, so that a clock was wrong."""
    from hxp_enterprise_llm.configuration.secrets.keyring import SKEW, utc_now

    return info.made_at is not None and info.made_at - utc_now() > SKEW


def duration(time: timedelta) -> str:
    """Return days, or hours below one day."""
    return f"{time.days} d" if time.days else f"{time.seconds // 3600} h"
