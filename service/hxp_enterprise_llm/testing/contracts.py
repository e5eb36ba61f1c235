"""What holds of every implementation of an interface, its fake included.

A project that writes a source, a backend or a transport of its own takes the contract over:

```python
class TestMyBackend(SecretBackendContract):
    def make(self) -> Backend:
        return MyBackend(...)
```

The tests are coroutines: they need pytest-asyncio in mode `auto`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

from hxp_enterprise_llm.configuration.secrets.backends.base import Backend
from hxp_enterprise_llm.configuration.secrets.errors import SecretNotFoundError
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.accounts import Account, Accounts
from hxp_enterprise_llm.configuration.sources.base import Source
from hxp_enterprise_llm.core.exceptions import DependencyError
from hxp_enterprise_llm.testing.matchers import expect, refused
from hxp_enterprise_llm.utilities.http import Transport

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


class SourceContract(ABC):
    """Of sources of configuration."""

    @abstractmethod
    def make(self, data: Mapping[str, Any]) -> Source:
        """Return a source that says this: two maps in each other, with texts and numbers."""

    async def test_it_says_what_it_was_given_and_where_each_key_is(self) -> None:
        """A layer has the data, and a place that names the source for every key."""
        source = self.make({"store": {"port": 5433}, "version": "a"})
        layer = await source.read()
        expect(layer.data == {"store": {"port": 5433}, "version": "a"}, f"data: {layer.data}")
        expect(not layer.problems, f"problems: {layer.problems}")
        for path in (("store",), ("store", "port"), ("version",)):
            expect(str(layer.places[path]), f"{path} has a place")
        expect(source.name, "a source has a name for people")

    async def test_it_says_the_same_again_and_hands_out_no_part_of_itself(self) -> None:
        """Who changes a layer changes nothing else."""
        source = self.make({"store": {"port": 5433}})
        (await source.read()).data["store"]["port"] = 1
        expect((await source.read()).data == {"store": {"port": 5433}}, "it was changed")

    async def test_a_layer_does_not_show_its_data(self) -> None:
        """A secret in the wrong place is in no text of the layer."""
        layer = await self.make({"store": {"password": "hunter2"}}).read()
        expect("hunter2" not in repr(layer), "the text of a layer has its data")


class SecretBackendContract(ABC):
    """Of backends of secrets that can be written."""

    @abstractmethod
    def make(self) -> Backend:
        """Return an empty backend."""

    async def test_a_secret_is_kept_until_it_is_removed(self) -> None:
        """Set, read, replaced, removed."""
        backend = self.make()
        await backend.set("app/token", Secret("one"), made_at=NOON)
        await backend.set("app/token", Secret("two"), made_at=NOON)
        expect((await backend.get("app/token")).reveal() == "two", "the newest value is read")
        await backend.remove("app/token")
        with refused(SecretNotFoundError, "app/token"):
            await backend.get("app/token")
        await backend.aclose()

    async def test_what_may_be_shown_has_version_and_time_and_no_value(self) -> None:
        """`info` counts versions and tells when the value was set."""
        backend = self.make()
        await backend.set("app/token", Secret("hunter2"), made_at=NOON)
        info = await backend.info("app/token")
        expect((info.path, info.version, info.made_at) == ("app/token", 1, NOON), f"{info}")
        expect("hunter2" not in repr(info) + await backend.check(), "a value is shown")
        await backend.set("app/token", Secret("other"))
        expect((await backend.info("app/token")).version == 2, "versions count up")
        await backend.aclose()

    async def test_secrets_are_listed_below_a_prefix(self) -> None:
        """By path, and only those."""
        backend = self.make()
        for path in ("b/y", "a/x", "b/x"):
            await backend.set(path, Secret("v"))
        expect([one.path async for one in backend.list()] == ["a/x", "b/x", "b/y"], "all")
        expect([one.path async for one in backend.list("b/")] == ["b/x", "b/y"], "below b/")
        await backend.aclose()

    async def test_what_is_not_there_is_missing_for_every_verb(self) -> None:
        """Reading, showing and removing are refused with the path and a next step."""
        backend = self.make()
        for verb in (backend.get, backend.info, backend.remove):
            with refused(SecretNotFoundError, "none"):
                await verb("none")
        await backend.aclose()


class TransportContract(ABC):
    """Of transports to an HTTP server."""

    @abstractmethod
    def serving(self, bodies: Mapping[str, bytes]) -> AbstractAsyncContextManager[Transport]:
        """Return a transport to a server with these bodies; `/silent` gets no answer."""

    async def test_a_known_path_comes_whole_and_an_unknown_one_is_404(self) -> None:
        """A status that is no success is an answer as well."""
        async with self.serving({"/health": b"fine" * 10_000}) as transport:
            for _ in range(2):
                reply = await transport.get("/health", timeout=10)
                expect((reply.status, reply.body) == (200, b"fine" * 10_000), f"{reply.status}")
            expect((await transport.get("/none", timeout=10)).status == 404, "404")

    async def test_no_answer_in_time_is_an_error(self) -> None:
        """The error names the request and the time."""
        async with self.serving({}) as transport:
            with refused(DependencyError, "/silent", "no answer within 0.1 s"):
                await transport.get("/silent", timeout=0.1)

    async def test_closing_twice_is_fine(self) -> None:
        """Whoever cleans up need not know whether somebody did."""
        async with self.serving({}) as transport:
            await transport.close()
            await transport.close()


class ClockContract(ABC):
    """Of clocks that never go backwards: what `Clock` stands for."""

    @abstractmethod
    def make(self) -> Callable[[], float]:
        """Return the clock."""

    def test_it_is_called_for_seconds_that_do_not_go_backwards(self) -> None:
        """Floats in order."""
        clock = self.make()
        times = [clock() for _ in range(100)]
        expect(all(isinstance(one, float) for one in times), "seconds are floats")
        expect(times == sorted(times), "it went backwards")


class AccountsContract(ABC):
    """Of stores of accounts."""

    @abstractmethod
    def make(self) -> Accounts:
        """Return an empty store."""

    async def test_an_account_is_kept_and_replaced(self) -> None:
        """By its id."""
        accounts = self.make()
        expect(await accounts.get("ann") is None, "it is empty")
        for hashed in ("old", "new"):
            await accounts.put(Account(id="ann", password_hash=hashed))
            found = await accounts.get("ann")
            expect(found is not None and found.password_hash == hashed, f"{found}")

    async def test_a_hash_is_upgraded_only_while_it_is_the_one_that_was_read(self) -> None:
        """A password that was changed meanwhile is not undone."""
        accounts = self.make()
        await accounts.put(Account(id="ann", password_hash="changed"))  # noqa: S106 # no hash
        await accounts.upgrade("ann", "old", "upgraded")
        await accounts.upgrade("bob", "old", "upgraded")
        expect(await accounts.get("bob") is None, "an account was made")
        found = await accounts.get("ann")
        expect(found is not None and found.password_hash == "changed", f"{found}")  # noqa: S105
