"""People log in with a password and get a token; each login is in the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response

from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.errors import SessionError
from hxp_enterprise_llm.configuration.service.bodies import JsonRoute
from hxp_enterprise_llm.configuration.service.guard import Within
from hxp_enterprise_llm.schemas.configuration_service import Login, SessionView

router = APIRouter(prefix="/v1/sessions", route_class=JsonRoute)
Bearer = Annotated[str | None, Header(description="`Bearer TOKEN`.")]


@router.post("", name="login")
async def login(parts: Within, given: Login, response: Response) -> SessionView:
    """Open a session for a person."""
    opened = await parts.door.security.login(given.name, Secret(given.password))
    response.headers["cache-control"] = "no-store"
    return SessionView(token=opened.token.reveal(), expires=opened.session.expires_at)


@router.delete("", name="logout", status_code=204)
async def logout(parts: Within, authorization: Bearer = None) -> None:
    """End the session that the request comes with."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise SessionError("there is no session to end", next_step="Send its token as Bearer.")
    await parts.door.security.logout(token.strip())
