"""One table from errors to answers, the same for API and pages."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.test import Client, RequestFactory, override_settings
from django.urls import path
from ninja import NinjaAPI, Query, Schema
from ninja.errors import AuthenticationError, HttpError, Throttled
from pydantic import Field

import core.errors
from config.api import problems
from config.errors import STATUSES, problem_of

CASES: list[tuple[Exception, int]] = [
    (core.errors.InvalidInput("limit must be positive", field="limit"), 400),
    (core.errors.InvalidQuery("no such operator", start=4, end=10, token="colr:x"), 400),
    (core.errors.UnsupportedMedia("text"), 415),
    (core.errors.CorruptMedia("truncated"), 400),
    (core.errors.TooLarge("60 MB"), 413),
    (core.errors.NotFound("no such asset"), 404),
    (core.errors.NotAllowed("not yours"), 403),
    (core.errors.Conflict("running"), 409),
    (core.errors.NeedsForce("worse"), 409),
    (core.errors.Unavailable("away"), 503),
    (core.errors.ModelUnavailable("no weights"), 503),
    (core.errors.EngineUnavailable("no index"), 503),
    (core.errors.QueueUnavailable("no Redis"), 503),
    (OperationalError("password authentication failed for host db.internal"), 503),
    (InterfaceError("connection already closed"), 503),
    (Http404("x"), 404),
    (PermissionDenied("x"), 403),
    (RequestDataTooBig("x"), 413),
    (SuspiciousOperation("x"), 400),
    (MultiPartParserError("x"), 400),
    (AuthenticationError(), 401),
    (HttpError(405, "no"), 405),
    (Throttled(wait=7), 429),
]


@pytest.mark.parametrize(("error", "status"), CASES, ids=lambda value: type(value).__name__)
def test_status_of_each_error(error: Exception, status: int) -> None:
    problem = problem_of(error)
    assert problem is not None
    assert problem.status == status


def test_every_error_of_ours_has_a_row() -> None:
    ours = [kind for kind in vars(core.errors).values() if isinstance(kind, type)]
    tested = {type(error) for error, _ in CASES}
    assert {kind for kind in ours if kind is not core.errors.SightlineError} <= tested
    assert core.errors.SightlineError not in STATUSES, "a new branch of the tree must choose its status"


@pytest.mark.parametrize("error", [OperationalError("host db.internal"), core.errors.Unavailable("away")])
def test_what_is_away_says_when_to_come_back(error: Exception) -> None:
    problem = problem_of(error)
    assert problem is not None
    assert int(problem.headers()["Retry-After"]) > 0
    assert "db.internal" not in problem.detail


def test_nobody_foresaw_this_one() -> None:
    assert problem_of(KeyError("x")) is None


class Filters(Schema):
    limit: int = Field(20, ge=1)


probe = NinjaAPI(urls_namespace="probe", docs_url=None)
problems.register(probe)


@probe.get("/list")
def listed(request: HttpRequest, filters: Query[Filters]) -> list[int]:
    return [filters.limit]


@probe.get("/raise/{name}")
def raising(request: HttpRequest, name: str) -> None:
    raise {"bug": KeyError("secret"), **{type(error).__name__: error for error, _ in CASES}}[name]


def page(request: HttpRequest, name: str) -> HttpResponse:
    raise {"bug": KeyError("secret"), **{type(error).__name__: error for error, _ in CASES}}[name]


handler404 = "config.api.problems.not_found"
handler500 = "config.api.problems.failed"
urlpatterns = [path("api/v1/", probe.urls), path("page/<name>", page)]
client = Client(raise_request_exception=False)


@pytest.mark.urls(__name__)
def test_a_bad_parameter_is_a_400_with_field_and_rule() -> None:
    response = client.get("/api/v1/list?limit=-1")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == 400
    assert body["errors"] == [{"field": "limit", "rule": "Input should be greater than or equal to 1"}]
    assert "limit" in body["detail"]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(("error", "status"), CASES, ids=lambda value: type(value).__name__)
def test_api_answers_problem_json(error: Exception, status: int) -> None:
    response = client.get(f"/api/v1/raise/{type(error).__name__}")
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["title"]


@pytest.mark.urls(__name__)
def test_a_bug_is_a_500_without_its_words() -> None:
    response = client.get("/api/v1/raise/bug")
    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert "secret" not in response.content.decode()


@pytest.mark.urls(__name__)
def test_unknown_addresses_answer_as_their_part_of_the_site_does() -> None:
    assert client.get("/api/v1/nothing")["Content-Type"] == "application/problem+json"
    assert client.get("/api/other")["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (core.errors.NotFound("x"), 404),
        (core.errors.NotAllowed("x"), 403),
        (core.errors.InvalidInput("x"), 400),
    ],
    ids=lambda value: type(value).__name__,
)
def test_pages_answer_by_the_same_table(error: Exception, status: int, settings: Any) -> None:
    from config.middleware import ErrorPages

    request = RequestFactory().get("/somewhere")
    request.session, request.user = {}, AnonymousUser()  # type: ignore[assignment]
    response = ErrorPages(lambda _: HttpResponse()).process_exception(request, error)
    assert response is not None
    assert response.status_code == status
    assert response["Content-Type"].startswith("text/html")


def test_a_page_needs_no_database_to_say_that_it_is_away() -> None:
    """Not marked django_db: a query would fail this test."""
    from config.middleware import ErrorPages

    request = RequestFactory().get("/somewhere")
    response = ErrorPages(lambda _: HttpResponse()).process_exception(request, OperationalError("down"))
    assert response is not None
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0


def test_a_problem_is_rfc_9457() -> None:
    problem = problem_of(core.errors.InvalidInput("must be positive", field="limit"))
    assert problem is not None
    assert json.loads(problem.as_response().content) == {
        "type": "about:blank",
        "title": "The request is not valid",
        "status": 400,
        "detail": "must be positive",
        "errors": [{"field": "limit", "rule": "must be positive"}],
    }


@pytest.mark.django_db
def test_another_method_is_answered_as_every_error(client: Client) -> None:
    """Ninja answers it outside of any operation."""
    response = client.put("/api/v1/search")
    assert response.status_code == 405
    assert response["Content-Type"] == "application/problem+json"
    assert set(response["Allow"].split(", ")) == {"GET", "POST"}
    assert "GET" in response.json()["detail"]


@override_settings(ALLOWED_HOSTS=["testserver"])
@pytest.mark.django_db
def test_documents_load_nothing_from_elsewhere(client: Client) -> None:
    response = client.get("/api/v1/docs")
    assert response.status_code == 200
    assert b"//" not in response.content.replace(b"<!--", b"").replace(b"http://testserver", b"")
    assert "default-src 'self'" in response["Content-Security-Policy"]
    document = client.get("/api/v1/openapi.json").json()
    tags = {tag for path in document["paths"].values() for one in path.values() for tag in one["tags"]}
    assert {"Administration", "API keys", "Sites"} <= tags
    assert [tag for tag in tags if not tag[0].isupper()] == []
    assert {"/api/v1/assets", "/api/v1/search", "/api/v1/search/image", "/api/v1/caption"} <= set(
        document["paths"]
    )
