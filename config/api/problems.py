"""Errors of the API as application/problem+json, by the table of config.errors."""

import logging
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.views.defaults import page_not_found, server_error
from ninja import NinjaAPI
from ninja.errors import HttpError

from config.errors import STATUSES, Problem, problem_of

log = logging.getLogger(__name__)


def register(api: NinjaAPI) -> None:
    """Every error that leaves an operation of `api` is rendered here."""
    for kind in (*STATUSES, HttpError, Exception):
        api.add_exception_handler(kind, answer)  # type: ignore[arg-type]  # it is given instances only


def answer(request: HttpRequest, error: Exception) -> HttpResponse:
    problem = problem_of(error)
    if problem is None:
        log.error("%s %s", request.method, request.path, exc_info=error)
        problem = Problem(500, "Something broke on our side", "The error is in our log.")
    elif problem.status >= 500:
        log.error("%s %s: %s", request.method, request.path, error)
    return problem.as_response()


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404: addresses under the API that match nothing answer as the API does."""
    if request.path.startswith("/api/"):
        return Problem(404, HTTPStatus(404).phrase, "There is nothing at this address.").as_response()
    return page_not_found(request, exception)


def failed(request: HttpRequest) -> HttpResponse:
    """Django's handler500, for errors outside of any operation."""
    if request.path.startswith("/api/"):
        return Problem(500, "Something broke on our side", "The error is in our log.").as_response()
    return server_error(request)
