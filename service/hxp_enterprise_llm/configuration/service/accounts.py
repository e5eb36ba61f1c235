"""Who can log in: administrators give people passwords, and take them away."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.access import Do
from hxp_enterprise_llm.configuration.security.errors import NoPersonError
from hxp_enterprise_llm.configuration.service.guard import Caller, GuardedRoute, Within
from hxp_enterprise_llm.configuration.service.routes import KEYED
from hxp_enterprise_llm.schemas.access import Name, PrincipalKind
from hxp_enterprise_llm.schemas.configuration_service import AccountList, AccountView, NewPassword

router = APIRouter(prefix="/v1/accounts", route_class=GuardedRoute, dependencies=KEYED)
Whose = Annotated[Name, Path(description="The person's principal.")]


@router.get("")
async def list_accounts(parts: Within, call: Caller) -> AccountList:
    """List who can log in, and how many sessions they have."""
    call.require(Do.MANAGE, _resource("all"))
    security = parts.door.security
    names = await security.accounts.names()
    open_ones = [one.principal for one in await security.sessions.list()]
    return AccountList(
        items=tuple(AccountView(name=name, sessions=open_ones.count(name)) for name in names)
    )


@router.put("/{name}", status_code=204)
async def set_password(parts: Within, call: Caller, name: Whose, given: NewPassword) -> None:
    """Give a person a password; their sessions end, and a held account is free again."""
    call.require(Do.MANAGE, _resource(name))
    access = parts.door.access
    if not access.knows(name) or access.principal(name).kind is not PrincipalKind.PERSON:
        raise NoPersonError(
            f"{name} is no person that the configuration names",
            next_step="Add them to `principals`, kind person; services come in with keys.",
        )
    password = Secret(given.password)
    await parts.door.security.set_password(name, password, actor=call.principal.id)


@router.delete("/{name}", status_code=204)
async def remove_account(parts: Within, call: Caller, name: Whose) -> None:
    """Take a person's password away; their sessions end."""
    call.require(Do.MANAGE, _resource(name))
    if not await parts.door.security.remove_account(name, actor=call.principal.id):
        raise NoPersonError(f"{name} has no password", next_step="List the accounts.")


def _resource(name: str) -> str:
    return f"principals:{name}"
