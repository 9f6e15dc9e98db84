"""What was searched for and opened, where the settings have it kept, and the report of it."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from library.asset_store import delete_asset
from search import recording
from search.models import SearchClick, SearchRecord
from tests.search.photos import many, photo

pytestmark = pytest.mark.django_db
CLICKS = "/api/v1/search/clicks"


@pytest.fixture
def recorded(settings: Any) -> None:
    settings.RECORD_SEARCHES = True


def ask(client: Client, query: str, **asked: Any) -> Any:
    return client.get("/api/v1/search", {"q": query, **asked}).json()


def click(client: Client, **told: Any) -> int:
    return client.post(CLICKS, told, content_type="application/json").status_code


def test_nothing_is_kept_unless_the_settings_say_so(client: Client, alice: User) -> None:
    photo(alice, "a red picture")
    assert ask(client, "red")["search"] is None
    assert SearchRecord.objects.count() == 0


@pytest.mark.usefixtures("recorded")
def test_a_search_is_kept_once_and_without_who_it_was(client: Client, alice: User) -> None:
    many(alice, 3, "a red picture")
    client.force_login(alice)
    first = ask(client, " red by:alice ", limit=2)
    assert first["search"]
    assert ask(client, " red by:alice ", limit=2, cursor=first["next"])["search"] is None
    record = SearchRecord.objects.get()
    assert (record.query, record.found) == ("red by:alice", 2)
    assert {field.name for field in SearchRecord._meta.fields} == {"id", "query", "found", "took_ms", "at"}
    assert {field.name for field in SearchClick._meta.fields} == {"id", "search", "asset", "place", "at"}


@pytest.mark.usefixtures("recorded")
def test_what_can_not_be_understood_is_not_kept(client: Client, db: None) -> None:
    assert client.get("/api/v1/search", {"q": "colr:red"}).status_code == 400
    assert SearchRecord.objects.count() == 0


@pytest.mark.usefixtures("recorded")
def test_a_result_that_was_opened_is_kept_once(client: Client, alice: User, bob: User) -> None:
    asset = photo(alice, "a red picture")
    token = ask(client, "red")["search"]
    assert click(client, search=token, asset=asset.pk, place=1) == 204
    assert click(client, search=token, asset=asset.pk, place=7) == 204
    kept = SearchClick.objects.get()
    assert (kept.asset, kept.place, kept.search.query) == (asset, 1, "red")
    secret = photo(bob, "a red picture", visibility="private")
    assert click(client, search=token, asset=secret.pk, place=1) == 404
    for wrong in ({"search": "x"}, {"search": "x" * 5000}, {"place": 0}, {"place": 10**9}, {"asset": "y"}):
        assert click(client, **{"search": token, "asset": asset.pk, "place": 1, **wrong}) == 400, wrong
    SearchRecord.objects.all().delete()
    assert click(client, search=token, asset=asset.pk, place=1) == 204


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("recorded")
def test_a_result_that_is_deleted_while_it_is_opened_is_not_kept(client: Client, alice: User) -> None:
    seen = photo(alice, "a red picture")
    token = ask(client, "red")["search"]
    delete_asset(seen)
    recording.record_click(token, seen, 1)
    assert not SearchClick.objects.exists()


@pytest.mark.usefixtures("recorded")
def test_the_report_names_what_was_searched_for_in_vain(client: Client, alice: User) -> None:
    asset = photo(alice, "a red picture")
    for query in ("tag:Lake", "tag:lake", "tag:sea"):
        assert ask(client, query)["results"] == []
    ask(client, "red")
    token = ask(client, "red picture")["search"]
    click(client, search=token, asset=asset.pk, place=1)
    assert [(one.query, one.times) for one in recording.unanswered(30)] == [("tag:lake", 2), ("tag:sea", 1)]
    assert [one.query for one in recording.unopened(30)] == ["red"]
    SearchRecord.objects.update(at=timezone.now() - timedelta(days=31))
    assert recording.unanswered(30) == recording.unopened(30) == []


@pytest.mark.usefixtures("recorded")
def test_the_report_in_the_shell_and_in_the_admin(client: Client, alice: User) -> None:
    ask(client, "tag:<b>sea</b>")
    out, err = StringIO(), StringIO()
    call_command("report_searches", days=7, stdout=out, stderr=err)
    assert "Found nothing in 7 days: 1" in out.getvalue()
    assert "tag:<b>sea</b>" in out.getvalue()
    address = "/admin/search/searchrecord/report/"
    client.force_login(alice)
    assert client.get(address).status_code == 302
    client.force_login(User.objects.create_superuser("admin"))
    assert "tag:&lt;b&gt;sea&lt;/b&gt;" in client.get(address).content.decode()
    html = client.get("/admin/search/searchrecord/").content.decode()
    assert address in html
    assert "not recorded" not in html


def test_the_report_says_that_nothing_is_recorded(admin_client: Client) -> None:
    err = StringIO()
    call_command("report_searches", stdout=StringIO(), stderr=err)
    assert "RECORD_SEARCHES=true" in err.getvalue()
    assert "RECORD_SEARCHES=true" in admin_client.get("/admin/search/searchrecord/").content.decode()


@pytest.mark.usefixtures("recorded")
def test_old_searches_are_forgotten(client: Client, alice: User, settings: Any) -> None:
    settings.RECORD_SEARCHES_DAYS = 10
    for query in ("red", "blue"):
        ask(client, query)
    SearchRecord.objects.filter(query="red").update(at=timezone.now() - timedelta(days=11))
    assert recording.forget_old() == 1
    assert [one.query for one in SearchRecord.objects.all()] == ["blue"]
