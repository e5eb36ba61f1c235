"""A host that exists: it is asked what it is; it is never made, and outlives its environment."""

from __future__ import annotations

from hxp_enterprise_llm.core.exceptions import RefusedError, UnreachableError
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.outputs import SshEndpoint
from providers.plugin import Found, MutableResource, Properties, Report
from providers.ssh.facts import Facts, ask, refuse_unfit
from providers.ssh.farewell import take_off


class HostInputs(CitadelModel):
    """How to reach a host, and what it must offer."""

    name: str
    address: str
    port: int
    user: str
    identity_file: str
    host_key: str
    memory: int
    bastion: str | None = None
    reachable: bool = True

    def endpoint(self) -> SshEndpoint:
        """Return how to reach it."""
        return SshEndpoint(
            host=self.address,
            port=self.port,
            user=self.user,
            host_key=self.host_key,
            identity_file=self.identity_file,
            bastion=self.bastion,
        )


class Host(MutableResource[HostInputs]):
    """Recorded, never made."""

    inputs = HostInputs
    replace_on = frozenset({"name"})

    def check(self, inputs: HostInputs) -> None:
        """Refuse a host without address or key; see the base class."""
        name = inputs.name
        if not inputs.address:
            raise RefusedError(
                f"host {name} has no address", next_step=f"Write hosts.{name}.address."
            )
        if not inputs.host_key:
            raise RefusedError(
                f"host {name} has no pinned key",
                next_step=f"Read it on the host itself (/etc/ssh/ssh_host_ed25519_key.pub) or with "
                f"ssh-keyscan {inputs.address}, and write it as hosts.{name}.host_key.",
            )

    def create(self, inputs: HostInputs, report: Report) -> tuple[str, Properties]:
        """Check and record it; see the base class."""
        return inputs.name, self.update(inputs.name, inputs, report)

    def read(
        self, identity: str, inputs: HostInputs, known: Properties
    ) -> Found[HostInputs] | None:
        """Return it as it is, with its real memory where that changed; see the base class."""
        try:
            facts = ask(identity, inputs.endpoint())
        except UnreachableError as error:
            # Not an error here: address or key may just have been corrected in the file.
            gone = inputs.model_copy(update={"reachable": False})
            return Found(gone, known, warning=error.message)
        changed = facts.memory != known.get("memory_found", facts.memory)
        memory = facts.memory if changed else inputs.memory
        seen = inputs.model_copy(update={"memory": memory, "reachable": True})
        return Found(seen, _outputs(facts))

    def update(self, identity: str, inputs: HostInputs, report: Report) -> Properties:
        """Check it anew; see the base class."""
        report("asking")
        facts = ask(identity, inputs.endpoint())
        refuse_unfit(identity, facts, inputs.memory)
        return _outputs(facts)

    def delete(self, identity: str, inputs: HostInputs) -> str | None:
        """Take off what Citadel put there and forget it; the host itself and its data stay.

        A host that does not answer is forgotten as it is: it may be gone for good.
        """
        endpoint = inputs.endpoint()
        try:
            ask(identity, endpoint)
        except UnreachableError as error:
            return f"{error.message}; it is forgotten, and what Citadel put there is still there"
        kept = take_off(identity, endpoint)
        return f"stays on the host: {', '.join(kept)}" if kept else None


def _outputs(facts: Facts) -> Properties:
    return {
        "memory_found": facts.memory,
        "cpus_found": facts.cpus,
        "container_found": facts.container,
    }
