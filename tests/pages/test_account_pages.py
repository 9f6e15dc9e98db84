"""Accounts, API keys and the plain upload form."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from captioning import preferences
from library.api_keys import create_key
from library.models import ApiKey, Asset
from tests.pages import photos
from tests.pages.accounts import sign_in
from tests.pages.conftest import Photo
from workers.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


def token_in(html: str) -> str:
    found = re.search(r'<code id="secret"[^>]*>([^<]+)</code>', html)
    assert found, "no key is shown"
    return found[1]


def test_signing_in_and_out(client: Client, alice: User) -> None:
    assert sign_in(client) == "/"
    assert "My photos" in client.get("/").content.decode()
    assert client.get("/account/logout/").status_code == 405, "a link elsewhere must not sign anybody out"
    assert client.post("/account/logout/").status_code == 302
    assert "My photos" not in client.get("/").content.decode()


def test_a_wrong_password_says_so_without_saying_which_part(client: Client, alice: User) -> None:
    answers = [
        client.post("/account/login/", {"username": name, "password": "wrong"}).content.decode()
        for name in ("alice", "nobody")
    ]
    assert all("Please enter a correct username and password" in answer for answer in answers)


def test_after_signing_in_one_is_where_one_wanted_to_be(client: Client, alice: User) -> None:
    assert sign_in(client, next="/upload/") == "/upload/"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "\thttps://evil.example",
    ],
)
@pytest.mark.parametrize("page", ["/account/login/", "/account/register/"])
def test_no_door_sends_people_to_another_site(client: Client, alice: User, page: str, elsewhere: str) -> None:
    fields = {"username": "dora", "password1": photos.PASSWORD, "password2": photos.PASSWORD}
    if page == "/account/login/":
        fields = {"username": "alice", "password": photos.PASSWORD}
    response = client.post(page, {**fields, "next": elsewhere})
    assert response.headers["Location"] == "/"
    assert "evil" not in Client().get(page, {"next": elsewhere}).content.decode()


def test_a_new_account_is_signed_in_at_once(client: Client) -> None:
    fields = {"username": "dora", "password1": photos.PASSWORD, "password2": photos.PASSWORD}
    assert client.post("/account/register/", fields).status_code == 302
    assert User.objects.get().username == "dora"
    assert not User.objects.get().is_staff
    assert "My photos" in client.get("/").content.decode()


def test_where_nobody_may_sign_up_there_is_no_such_page(client: Client, settings: Settings) -> None:
    settings.ALLOW_SIGNUP = False
    assert client.get("/account/register/").status_code == 404
    assert client.post("/account/register/", {"username": "dora"}).status_code == 404
    assert "Make an account" not in client.get("/account/login/").content.decode()


def test_the_password_can_be_changed_by_who_knows_it(as_alice: Client) -> None:
    new = {
        "old_password": photos.PASSWORD,
        "new_password1": "another-horse-8",
        "new_password2": "another-horse-8",
    }
    assert as_alice.post("/account/password/", {**new, "old_password": "wrong"}).status_code == 200
    assert as_alice.post("/account/password/", new).status_code == 302
    assert Client().login(username="alice", password="another-horse-8")


@pytest.mark.parametrize(
    "page",
    [
        "/library/",
        "/library/select/",
        "/upload/",
        "/account/keys/",
        "/account/password/",
        "/account/captions/",
        "/account/photos/",
        "/account/close/",
    ],
)
def test_personal_pages_ask_strangers_to_sign_in(client: Client, page: str) -> None:
    assert client.get(page).headers["Location"] == f"/account/login/?next={page}"


@pytest.mark.parametrize(
    "page",
    [
        "/account/login/",
        "/account/logout/",
        "/account/keys/",
        "/upload/",
        "/search/picture/",
        "/account/password/",
        "/account/close/",
        "/account/captions/",
        "/account/photos/",
        "/library/select/",
    ],
)
def test_a_form_from_another_site_is_refused(alice: User, page: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    response = client.post(page, {"name": "stolen", "scopes": ["read"]})
    assert response.status_code == 403
    assert "The form was too old" in response.content.decode()
    assert not ApiKey.objects.exists()


def test_a_key_is_shown_once_works_and_stops_when_revoked(as_alice: Client) -> None:
    response = as_alice.post("/account/keys/", {"name": "backup", "scopes": ["read"]})
    assert "no-store" in response.headers["Cache-Control"]
    token = token_in(response.content.decode())
    assert token not in as_alice.get("/account/keys/").content.decode()

    bearer = {"Authorization": f"Bearer {token}"}
    assert Client().get("/api/v1/assets", headers=bearer).status_code == 200
    key = ApiKey.objects.get()
    assert as_alice.post(f"/account/keys/{key.pk}/revoke/").status_code == 302
    assert Client().get("/api/v1/assets", headers=bearer).status_code == 401


def test_a_key_of_somebody_else_cannot_be_revoked(as_alice: Client, as_charlie: Client) -> None:
    as_alice.post("/account/keys/", {"name": "backup", "scopes": ["read"]})
    key = ApiKey.objects.get()
    assert as_charlie.post(f"/account/keys/{key.pk}/revoke/").status_code == 404
    key.refresh_from_db()
    assert key.revoked_at is None


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "", "scopes": ["read"]},
        {"name": "x"},
        {"name": "x", "scopes": ["admin"]},
        {"name": "x" * 81, "scopes": ["read"]},
    ],
    ids=["no name", "no scope", "more than its owner may", "too long"],
)
def test_a_key_that_breaks_a_rule_is_not_made(as_alice: Client, fields: dict[str, object]) -> None:
    response = as_alice.post("/account/keys/", fields)
    assert response.status_code == 400
    assert 'class="errorlist"' in response.content.decode()
    assert not ApiKey.objects.exists()


def test_only_staff_are_offered_the_scope_admin(as_alice: Client, alice: User) -> None:
    assert 'value="admin"' not in as_alice.get("/account/keys/").content.decode()
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    assert 'value="admin"' in as_alice.get("/account/keys/").content.decode()


def test_the_name_of_a_key_is_shown_as_text(as_alice: Client) -> None:
    html = as_alice.post(
        "/account/keys/", {"name": "<script>alert(1)</script>", "scopes": ["read"]}
    ).content.decode()
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html


def test_the_plain_form_takes_several_files_and_answers_each(as_alice: Client) -> None:
    text = photos.png("red")
    text.seek(0)
    text.truncate(0)
    text.write(b"only words")
    text.seek(0)
    text.name = "words.jpg"
    files = [photos.png("red", seed=1), photos.png("red", seed=1), text]
    response = as_alice.post("/upload/", {"files": files, "tags": "holiday, june", "visibility": "public"})
    html = response.content.decode()
    assert response.status_code == 200
    assert html.count('class="file added"') == 2
    assert "Already in your library" in html
    assert html.count('class="file failed"') == 1
    assert "words.jpg" in html
    asset = Asset.objects.get()
    assert asset.visibility == "public"
    assert set(asset.tags.values_list("name", flat=True)) == {"holiday", "june"}


def test_a_plain_upload_of_nothing_or_of_nonsense_is_a_400(as_alice: Client) -> None:
    assert as_alice.post("/upload/").status_code == 400
    response = as_alice.post("/upload/", {"files": photos.png("red"), "visibility": "everyone"})
    assert response.status_code == 400
    assert not Asset.objects.exists()


def test_the_style_of_one_s_captions_is_chosen_shown_and_left_to_the_site_again(
    as_alice: Client, alice: User
) -> None:
    page = "/account/captions/"
    assert '<input type="radio" name="style" value="" id="id_style_0" checked' in shown(as_alice, page)
    assert as_alice.post(page, {"style": "short"}).headers["Location"] == page
    assert preferences.chosen_style(alice) == "short"
    assert re.search(r'value="short"[^>]* checked', shown(as_alice, page))
    answer = as_alice.post(page, {"style": "shouted"})
    assert answer.status_code == 400
    assert "shouted is not one of the available choices" in answer.content.decode()
    assert as_alice.post(page, {"style": ""}).status_code == 302
    assert preferences.chosen_style(alice) is None
    assert page in shown(as_alice, "/"), "the menu leads there"


def shown(client: Client, page: str) -> str:
    return client.get(page).content.decode()


class TestClosing:
    """/account/close/"""

    def test_it_takes_the_password_and_shuts_the_account_at_once(
        self, photo: Photo, as_alice: Client, client: Client, alice: User
    ) -> None:
        asset = photo("red", visibility="public")
        token = create_key(alice, name="script", scopes=["read"]).token
        assert "Your 1 photo with all that is known of it" in as_alice.get("/account/close/").content.decode()
        refused = as_alice.post("/account/close/", {"password": "wrong"})
        assert (refused.status_code, "This is not your password." in refused.content.decode()) == (400, True)
        assert User.objects.get(pk=alice.pk).is_active

        closed = as_alice.post("/account/close/", {"password": photos.PASSWORD}, follow=True)
        assert "Your account is closed." in closed.content.decode()
        assert "My photos" not in as_alice.get("/").content.decode()
        assert client.get(f"/assets/{asset.pk}/").status_code == 404
        assert client.get("/api/v1/assets", headers={"Authorization": f"Bearer {token}"}).status_code == 401
        assert sign_in(client) == ""
        assert Job.objects.get().requested_by == alice

    def test_staff_are_not_to_leave_by_it(self, client: Client, alice: User) -> None:
        User.objects.update(is_staff=True)
        client.force_login(alice)
        assert client.post("/account/close/", {"password": photos.PASSWORD}).status_code == 403
        assert "Close account" not in client.get("/").content.decode()
