"""Records in memory: for tests, and for processes that keep no history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class MemoryShelf:
    """Records in a dict."""

    name = "memory"

    def __init__(self) -> None:
        self.records: dict[int, bytes] = {}
        self.aside: dict[str, dict[int, bytes]] = {}

    async def newest(self, below: int | None = None) -> tuple[int, bytes] | None:
        """Return the record with the highest number."""
        wanted = (number for number in self.records if below is None or number < below)
        number = max(wanted, default=0)
        return (number, self.records[number]) if number else None

    async def read(self, number: int) -> bytes | None:
        """Return a record."""
        return self.records.get(number)

    async def span(self, first: int, last: int) -> dict[int, bytes]:
        """Return the records from one number to another."""
        return {key: self.records[key] for key in sorted(self.records) if first <= key <= last}

    async def add(self, records: Mapping[int, bytes]) -> bool:
        """Add records; False when a number is taken."""
        if self.records.keys() & records.keys():
            return False
        self.records.update(records)
        return True

    async def set_aside(self, numbers: Sequence[int], mark: str) -> str:
        """Take records away, and keep them by the mark."""
        found = {key: self.records.pop(key) for key in numbers if key in self.records}
        self.aside.setdefault(mark, {}).update(found)
        return f"aside, {mark}"
