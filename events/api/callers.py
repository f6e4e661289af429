"""Who is asking: bearer API keys and their scopes. Cookies count for nothing here."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.security.http import HttpAuthBase

from events.api.refusals import Refused
from events.keys import Caller, keyring
from events.models.access import Scope
from events.problems import Code, Problem


class Request(HttpRequest):
    """A request whose key was found good."""

    auth: Caller


class ApiKey(HttpAuthBase):
    """Lets a request through if its key has the scope."""

    openapi_scheme = "bearer"

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Caller:
        header = request.headers.get("Authorization")
        caller = keyring.remembered(header) or keyring.check(header)
        if caller is None:
            detail = "Send Authorization: Bearer with an API key that exists and is not expired."
            raise Refused(Problem(Code.UNAUTHORIZED, detail))
        if self.scope not in caller.scopes:
            raise Refused(Problem(Code.FORBIDDEN, f"This key lacks the scope {self.scope}."))
        return caller


READ = ApiKey(Scope.READ)
MANAGE = ApiKey(Scope.MANAGE)
