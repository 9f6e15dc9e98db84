"""Who is asking, and what they may do: a session or an API key, decided in one place."""

from dataclasses import dataclass
from typing import Any, cast

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from ninja.errors import AuthenticationError
from ninja.security import HttpBearer
from ninja.utils import check_csrf

from core.errors import NotAllowed
from library import api_keys
from library.models import ApiKey

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_REMEMBERED = "_sightline_caller"


@dataclass(frozen=True)
class Caller:
    """`key` is None for people who signed in, and for strangers."""

    user: User | AnonymousUser
    key: ApiKey | None = None

    def has(self, scope: str) -> bool:
        """A key's scopes are a part of its owner's rights, never more, whatever they said when it was made."""
        if not isinstance(self.user, User):
            return False
        granted = self.key is None or scope in self.key.scopes
        return granted and (scope != ApiKey.Scope.ADMIN or self.user.is_staff)


def caller_of(request: HttpRequest) -> Caller:
    """A 401 for a key that is wrong, unknown or revoked: it is never taken for a stranger's request."""
    caller: Caller | None = getattr(request, _REMEMBERED, None)
    if caller is None:
        token = bearer_token(request)
        caller = _caller_of_session(request) if token is None else _caller_of_key(token)
        setattr(request, _REMEMBERED, caller)
    return caller


def viewer_of(request: HttpRequest) -> User | AnonymousUser:
    """Who looks: strangers are welcome and see public assets; a key must hold the scope read."""
    caller = caller_of(request)
    if caller.key is not None and not caller.has(ApiKey.Scope.READ):
        raise NotAllowed("This key lacks the scope read.")
    return caller.user


def require_scope(request: HttpRequest, scope: str) -> User:
    """The user who may do this; 401 for strangers, NotAllowed without the right."""
    caller = caller_of(request)
    if not isinstance(caller.user, User):
        raise AuthenticationError(message="Sign in, or send an API key as `Authorization: Bearer <key>`.")
    if not caller.has(scope):
        lacks = "This key lacks" if caller.key else "Your account lacks"
        raise NotAllowed(f"{lacks} the scope {scope}.")
    if caller.key is None and request.method not in SAFE_METHODS and check_csrf(request):
        raise NotAllowed("The CSRF token is missing or wrong; reload the page and try again.")
    return caller.user


def require_session(request: HttpRequest) -> User:
    """For what only a person may do, such as making keys: a leaked key must not be able to breed others."""
    if caller_of(request).key is not None:
        raise NotAllowed("Sign in for this; an API key can't do it.")
    return require_scope(request, ApiKey.Scope.WRITE)


class Scope(HttpBearer):
    """django-ninja's door for operations that need a scope; its OpenAPI page offers to enter a key.

    It runs before the body is read, so a stranger's upload costs nothing.
    """

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def __call__(self, request: HttpRequest) -> Any:
        return require_scope(request, self.scope)

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        raise NotImplementedError("replaced by __call__, which also takes sessions")


class Anyone(Scope):
    """For operations that strangers may use, too: they see what is public."""

    def __init__(self) -> None:
        super().__init__(ApiKey.Scope.READ)

    def __call__(self, request: HttpRequest) -> Any:
        # The caller itself is handed on: ninja takes anything false for a refusal.
        viewer_of(request)
        return caller_of(request)


def bearer_token(request: HttpRequest) -> str | None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _caller_of_session(request: HttpRequest) -> Caller:
    return Caller(cast("User | AnonymousUser", getattr(request, "user", AnonymousUser())))


def _caller_of_key(token: str) -> Caller:
    key = api_keys.key_of(token)
    if key is None:
        raise AuthenticationError(message="The API key is unknown or revoked.")
    api_keys.note_use(key)
    return Caller(key.owner, key)
