"""The one table from errors to HTTP statuses. The API renders it as problem+json, the pages as a page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, JsonResponse
from django.http.multipartparser import MultiPartParserError
from ninja.errors import HttpError, Throttled, ValidationError

from core import errors

MODEL_UNAVAILABLE = "A model of this server is missing or damaged; its log says which, and what to do."
STATUSES: dict[type[Exception], tuple[int, str]] = {
    errors.InvalidInput: (400, "The request is not valid"),
    errors.UnsupportedMedia: (415, "Not a kind of file that we read"),
    errors.CorruptMedia: (400, "The file is damaged"),
    errors.TooLarge: (413, "Over a limit"),
    errors.NotFound: (404, "Not found"),
    errors.NotAllowed: (403, "Not allowed"),
    errors.Conflict: (409, "Not possible now"),
    errors.NeedsForce: (409, "Only for who insists"),
    errors.Unavailable: (503, "A part of the service is away"),
    errors.ModelUnavailable: (503, "A part of the service is away"),
    OperationalError: (503, "A part of the service is away"),
    InterfaceError: (503, "A part of the service is away"),
    ValidationError: (400, "The request is not valid"),
    Http404: (404, "Not found"),
    PermissionDenied: (403, "Not allowed"),
    RequestDataTooBig: (413, "Over a limit"),
    TooManyFilesSent: (413, "Over a limit"),
    TooManyFieldsSent: (413, "Over a limit"),
    SuspiciousOperation: (400, "The request is not valid"),
    MultiPartParserError: (400, "The request is not valid"),
    Throttled: (429, "Too many requests"),
}
#: What an error of another library may tell a stranger; our own speak for themselves, but for one that names folders
#: and settings of this server.
_DETAILS: dict[type[Exception], str] = {
    errors.ModelUnavailable: MODEL_UNAVAILABLE,
    OperationalError: "The database can't be reached. Try again in a moment.",
    InterfaceError: "The database can't be reached. Try again in a moment.",
    Http404: "There is nothing at this address.",
    PermissionDenied: "You may not do this.",
    RequestDataTooBig: "The request is larger than this server takes.",
    TooManyFilesSent: "The request holds more files than this server takes at once.",
    TooManyFieldsSent: "The request holds more fields than this server takes.",
    SuspiciousOperation: "The request is not one that this server understands.",
    MultiPartParserError: "The form can't be read: is its boundary named in Content-Type, and the body whole?",
}
_HTTP_TITLES = {401: "Sign in first", 403: "Not allowed", 404: "Not found", 405: "Method not allowed"}
_DATABASE_RETRY_S = 5


@dataclass(frozen=True)
class Problem:
    """An answer that is an error, after RFC 9457."""

    status: int
    title: str
    detail: str
    errors: list[dict[str, Any]] = field(default_factory=list)
    retry_after_s: int | None = None

    def as_json(self) -> dict[str, Any]:
        body = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        return {**body, "errors": self.errors} if self.errors else body

    def as_response(self) -> JsonResponse:
        """As the API answers it."""
        return JsonResponse(
            self.as_json(),
            status=self.status,
            content_type="application/problem+json",
            headers=self.headers(),
        )

    def headers(self) -> dict[str, str]:
        headers = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        return {**headers, "WWW-Authenticate": "Bearer"} if self.status == 401 else headers


def problem_of(error: Exception) -> Problem | None:
    """What to answer for `error`; None for one that nobody foresaw."""
    if isinstance(error, HttpError) and not isinstance(error, Throttled):
        status = error.status_code
        return Problem(status, _HTTP_TITLES.get(status, "The request failed"), str(error))
    if isinstance(error, ValidationError):
        return _invalid_fields(error)
    for kind in type(error).__mro__:
        if kind in STATUSES:
            status, title = STATUSES[kind]
            detail = _DETAILS.get(kind) or str(error) or title
            return Problem(status, title, detail, _fields(error), _retry_after_s(error))
    return None


def _fields(error: Exception) -> list[dict[str, Any]]:
    if isinstance(error, errors.InvalidQuery):
        place = {"token": error.token, "start": error.start, "end": error.end}
        return [{"field": "q", "rule": str(error), **place, "allowed": list(error.allowed)}]
    if isinstance(error, errors.InvalidInput) and error.field:
        return [{"field": error.field, "rule": str(error)}]
    return []


def _retry_after_s(error: Exception) -> int | None:
    if isinstance(error, errors.Unavailable):
        return error.retry_after_s
    if isinstance(error, OperationalError | InterfaceError):
        return _DATABASE_RETRY_S
    if isinstance(error, Throttled):
        return max(1, int(error.wait or 1))
    return None


def _invalid_fields(error: ValidationError) -> Problem:
    """Names each field by its own name, without the places (`query`, `body`) and schemas around it."""
    found = [{"field": _name_of(entry.get("loc") or ()), "rule": str(entry["msg"])} for entry in error.errors]
    detail = "; ".join(f"{entry['field']}: {entry['rule']}" for entry in found)
    return Problem(400, STATUSES[ValidationError][1], detail or "The request is not valid.", found)


def _name_of(location: Sequence[str | int]) -> str:
    """The innermost name: one of many in a list is told by the name of the list."""
    return next((part for part in reversed(location) if isinstance(part, str)), "request")
