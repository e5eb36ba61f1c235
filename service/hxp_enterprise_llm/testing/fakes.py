"""The fakes there are: what each stands for, and the contract that holds for it and the real one.

A fake stands beside its interface where programs use it too (an environment without a history keeps
it in memory), else in `testing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hxp_enterprise_llm.configuration.secrets.backends.base import Backend
from hxp_enterprise_llm.configuration.secrets.backends.memory import Memory
from hxp_enterprise_llm.configuration.security.accounts import Accounts, MemoryAccounts
from hxp_enterprise_llm.configuration.sources.base import Source
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.testing.clock import Clock
from hxp_enterprise_llm.testing.contracts import (
    AccountsContract,
    ClockContract,
    SecretBackendContract,
    SourceContract,
    TransportContract,
)
from hxp_enterprise_llm.testing.transport import TransportDouble
from hxp_enterprise_llm.utilities.http import Transport


@dataclass(frozen=True)
class Fake:
    """One fake.

    Attributes:
        interface: What it stands for.
        fake: The fake.
        contract: Tests for it and for all that is real.
    """

    interface: Any
    fake: type
    contract: type


FAKES = (
    Fake(Source, MemorySource, SourceContract),
    Fake(Backend, Memory, SecretBackendContract),
    Fake(Transport, TransportDouble, TransportContract),
    Fake(Accounts, MemoryAccounts, AccountsContract),
    Fake(Callable[[], float], Clock, ClockContract),
)
