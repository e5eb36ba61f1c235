"""Subnets and ports: each environment of each checkout on this machine has a slot of its own (D7).

A slot is a leased number. It begins at a digest of checkout and environment, so that it hardly
ever changes, and moves on where another environment has it already.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hxp_enterprise_llm.core.exceptions import RefusedError
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.utilities.files import write_atomic

SLOTS = 512
_FIRST_PORT = 10_000
_PORTS_A_SLOT = 40
_PORTS_A_HOST = 4
MAX_HOSTS = _PORTS_A_SLOT // _PORTS_A_HOST
_FIRST_ADDRESS = 10

# The place of a listener within its host's ports; SSH has place 0.
PUBLISHED = {"gateway": 1, "prometheus": 2, "alertmanager": 3}


class Lease(CitadelModel):
    """Who has a slot, and the number of each host in it."""

    slot: int
    checkout: str
    environment: str
    hosts: dict[str, int]

    @property
    def subnet(self) -> str:
        """The network of the environment."""
        return f"{self._prefix}.0/24"

    @property
    def gateway(self) -> str:
        """The controller's own address in the network."""
        return f"{self._prefix}.1"

    @property
    def _prefix(self) -> str:
        return f"10.{200 + self.slot // 256}.{self.slot % 256}"

    def address(self, host: str) -> str:
        """Return the address of a host."""
        return f"{self._prefix}.{_FIRST_ADDRESS + self.hosts[host]}"

    def port(self, host: str, listener: str | None = None) -> int:
        """Return the port on 127.0.0.1 of a listener of a host; of SSH when none is named."""
        place = 0 if listener is None else PUBLISHED[listener]
        first = _FIRST_PORT + _PORTS_A_SLOT * self.slot
        return first + _PORTS_A_HOST * self.hosts[host] + place


def preferred(checkout: Path, environment: str) -> int:
    """Return the slot that an environment of a checkout takes when nobody else has it."""
    digest = hashlib.sha256(f"{checkout}\0{environment}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % SLOTS


def lease(
    folder: Path, checkout: Path, environment: str, hosts: Iterable[str], *, slot: int | None = None
) -> Lease:
    """Return the lease of an environment, made or brought up to date.

    Args:
        folder: Where leases lie; all checkouts of a user share it.
        checkout: Root of the checkout.
        environment: Name of the environment.
        hosts: Its hosts, in the file's order; a host keeps its number as long as it exists.
        slot: Take exactly this slot.

    Raises:
        RefusedError: The slot is another environment's, or there are too many hosts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        known = _known(folder)
        own = next((item for item in known.values() if _is(item, checkout, environment)), None)
        number = _choose(known, own, preferred(checkout, environment), slot)
        numbers = _numbers(own.hosts if own else {}, tuple(hosts))
        new = Lease(slot=number, checkout=str(checkout), environment=environment, hosts=numbers)
        if new != own:
            write_atomic(_file(folder, number), new.model_dump_json(indent=1) + "\n")
            if own is not None and own.slot != number:
                _file(folder, own.slot).unlink(missing_ok=True)
        return new


def release(folder: Path, checkout: Path, environment: str) -> None:
    """Give a slot back; one that was never taken is fine."""
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        for item in _known(folder).values():
            if _is(item, checkout, environment):
                _file(folder, item.slot).unlink(missing_ok=True)


def _choose(known: dict[int, Lease], own: Lease | None, first: int, wanted: int | None) -> int:
    if wanted is not None:
        holder = known.get(wanted)
        if holder is not None and holder is not own:
            raise RefusedError(
                f"slot {wanted} belongs to environment {holder.environment} of {holder.checkout}",
                next_step="Leave provider.slot out, or write another number.",
            )
        return wanted
    if own is not None:
        return own.slot
    for step in range(SLOTS):
        if (first + step) % SLOTS not in known:
            return (first + step) % SLOTS
    raise RefusedError(
        f"all {SLOTS} slots of this machine are taken",
        next_step="Remove environments that nobody needs: citadel destroy NAME.",
    )


def _numbers(old: dict[str, int], hosts: tuple[str, ...]) -> dict[str, int]:
    if len(hosts) > MAX_HOSTS:
        raise RefusedError(
            f"provider local has room for {MAX_HOSTS} hosts, the environment names {len(hosts)}",
            next_step="Give hosts several roles, or use provider ssh.",
        )
    numbers = {name: number for name, number in old.items() if name in hosts}
    # A number that was just left is still in use until its host is removed: others come first.
    fresh = [n for n in range(MAX_HOSTS) if n not in old.values()]
    left = [n for n in range(MAX_HOSTS) if n in old.values() and n not in numbers.values()]
    free = iter(fresh + left)
    for name in hosts:
        if name not in numbers:
            numbers[name] = next(free)
    return numbers


def _known(folder: Path) -> dict[int, Lease]:
    found = {}
    for path in folder.glob("*.json"):
        item = Lease.model_validate(json.loads(path.read_text()))
        if Path(item.checkout).is_dir():
            found[item.slot] = item
        else:
            path.unlink(missing_ok=True)
    return found


def _is(item: Lease, checkout: Path, environment: str) -> bool:
    return item.checkout == str(checkout) and item.environment == environment


def _file(folder: Path, slot: int) -> Path:
    return folder / f"{slot}.json"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
