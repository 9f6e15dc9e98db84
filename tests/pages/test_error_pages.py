"""Pages for when things go wrong, and that our own trouble doesn't make them worse."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.db import OperationalError
from django.template.loader import render_to_string
from django.test import Client, RequestFactory

from config.middleware import ErrorPages

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_unknown_address_is_a_page_of_ours(client: Client) -> None:
    response = client.get("/no/such/page")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_a_database_that_is_away_is_a_503_that_asks_it_nothing(
    django_assert_num_queries: Callable[[int], AbstractContextManager[object]],
) -> None:
    request = RequestFactory().get("/")
    with django_assert_num_queries(0):
        response = ErrorPages(lambda request: None).process_exception(  # type: ignore[arg-type,return-value]
            request, OperationalError("could not connect to 10.0.0.5")
        )
    assert response is not None
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert "Back in a moment" in response.content.decode()
    assert "10.0.0.5" not in response.content.decode()


def test_a_view_that_finds_the_database_away_answers_503(
    as_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object, **kwargs: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("config.pages.assets.newest", away)
    response = as_alice.get("/library/")
    assert response.status_code == 503
    assert "alice" not in response.content.decode()


@pytest.mark.parametrize(
    ("page", "heading"),
    [
        ("500", "Something broke on our side"),
        ("400", "That request can’t be understood"),
        ("403", "That is not yours to do"),
    ],
)
def test_a_page_needs_nothing_to_be_rendered(page: str, heading: str) -> None:
    assert heading in render_to_string(f"{page}.html")
