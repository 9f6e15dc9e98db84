"""Generations in the admin: to look at, and to build anew."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from search.models import Generation
from search.services import rebuild_index
from tests.search.photos import photo
from workers import pipeline
from workers.models import Job

pytestmark = pytest.mark.django_db
URL = "/admin/search/generation/"


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: object) -> None:
    monkeypatch.setattr(pipeline, "wake_jobs", lambda: True)


def signed_in(*, staff: bool) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("someone", is_staff=staff, is_superuser=staff))
    return client


def test_shows_what_is_live_and_how_good_it_is(admin_client: Client, alice: User) -> None:
    photo(alice)
    rebuild_index()
    page = admin_client.get(URL).content.decode()
    assert "fake-image" in page
    assert "live" in page
    assert "1.0" in page
    assert "the first kind within 4,000 MB and 20 ms a query" in page


def test_a_click_starts_a_rebuild(admin_client: Client, alice: User, woken: None) -> None:
    photo(alice)
    rebuild_index()
    ticked = Generation.objects.values_list("pk", flat=True)[:1]
    answer = admin_client.post(URL, {"action": "rebuild", "_selected_action": list(ticked)}, follow=True)
    job = Job.objects.get()
    assert (job.kind, job.state) == ("rebuild_index", "waiting")
    assert f"Job {job.pk} rebuilds the index" in answer.content.decode()


def test_nobody_else_may(alice: User, woken: None) -> None:
    photo(alice)
    rebuild_index()
    ticked = Generation.objects.values_list("pk", flat=True)[:1]
    signed_in(staff=False).post(URL, {"action": "rebuild", "_selected_action": list(ticked)})
    assert not Job.objects.exists()


def test_nothing_is_written_by_hand(admin_client: Client, alice: User) -> None:
    photo(alice)
    row = rebuild_index("image")[0]
    assert admin_client.get(f"{URL}add/").status_code == 403
    assert admin_client.post(f"{URL}{row.pk}/delete/").status_code == 403
    admin_client.post(f"{URL}{row.pk}/change/", {"state": "failed"})
    row.refresh_from_db()
    assert row.state == "live"
