"""What every answer goes through: a strict content policy, and one table for errors that views let pass."""

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import render

from config.errors import Problem, problem_of

log = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# The API's documentation page styles its elements one by one.
_POLICY_OF_DOCS = f"{_POLICY}; style-src 'self' 'unsafe-inline'"
_PAGES = frozenset({400, 403, 404, 503})


def content_security_policy(get_response: GetResponse) -> GetResponse:
    """Nothing is loaded from elsewhere and no script runs that is not a file of ours."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        policy = _POLICY_OF_DOCS if request.path.endswith("/docs") else _POLICY
        response.headers.setdefault("Content-Security-Policy", policy)
        return response

    return middleware


class ErrorPages:
    """Renders errors of page views by the table of config.errors; the API has rendered its own before, but for one."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and request.path.startswith("/api/"):
            allowed = response.headers["Allow"]
            response = Problem(405, "Method not allowed", f"This address takes {allowed}.").as_response()
            response.headers["Allow"] = allowed
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        problem = problem_of(error)
        if problem is None:
            return None
        if problem.status >= 500:
            log.error("%s %s: %s", request.method, request.path, error, exc_info=error)
        template = f"{problem.status if problem.status in _PAGES else 400}.html"
        response = render(request, template, {"message": problem.detail}, status=problem.status)
        for name, value in problem.headers().items():
            response.headers[name] = value
        return response
