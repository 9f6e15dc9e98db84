"""Passwords tried one after the other."""

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.test import Client

from config.sign_in import GUESSES, GUESSES_OF_ALL, WINDOW_S
from tests.clock import STOPPED_AT_S
from tests.pages import photos
from tests.pages.accounts import sign_in
from workers import purses

pytestmark = pytest.mark.django_db(transaction=True)


def test_after_ten_wrong_ones_even_the_right_one_has_to_wait(
    client: Client, alice: User, stopped_clock: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(GUESSES):
        client.post("/account/login/", {"username": "alice", "password": "wrong"})
    told = client.post("/account/login/", {"username": "alice", "password": photos.PASSWORD})
    assert "Too many wrong passwords for this name. Try again in" in told.content.decode()
    assert sign_in(Client()) == "", "from the same address"
    later = STOPPED_AT_S + WINDOW_S
    monkeypatch.setattr(purses, "time", SimpleNamespace(time=lambda: later))
    assert sign_in(client) == "/"


def test_who_comes_from_elsewhere_is_not_kept_out_by_it(alice: User, stopped_clock: None) -> None:
    def guess(address: str) -> str:
        wrong = {"username": "alice", "password": "wrong"}
        return Client(REMOTE_ADDR=address).post("/account/login/", wrong).content.decode()

    for _ in range(GUESSES):
        guess("203.0.113.1")
    assert sign_in(Client(REMOTE_ADDR="203.0.113.2")) == "/"
    # By so many addresses that it is no slip of anybody's.
    for at in range(GUESSES_OF_ALL - GUESSES):
        guess(f"198.51.100.{at % 200}")
    assert sign_in(Client(REMOTE_ADDR="203.0.113.2")) == ""


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        ("/account/close/", {"password": "wrong"}),
        ("/account/password/", {"old_password": "wrong", "new_password1": "x", "new_password2": "x"}),
    ],
)
def test_who_finds_an_open_browser_guesses_no_longer(
    as_alice: Client, alice: User, stopped_clock: None, page: str, fields: dict[str, str]
) -> None:
    for _ in range(GUESSES):
        as_alice.post(page, fields)
    assert as_alice.post("/account/close/", {"password": photos.PASSWORD}).status_code == 400
    new = {"new_password1": "another-horse-8", "new_password2": "another-horse-8"}
    assert as_alice.post("/account/password/", {**new, "old_password": photos.PASSWORD}).status_code == 200
    assert User.objects.get().check_password(photos.PASSWORD)


def test_others_sign_in_meanwhile_and_slips_are_forgiven(
    client: Client, alice: User, stopped_clock: None
) -> None:
    for _ in range(GUESSES):
        client.post("/account/login/", {"username": "nobody", "password": "wrong"})
    for _ in range(GUESSES - 1):
        client.post("/account/login/", {"username": "alice", "password": "wrong"})
    assert sign_in(client) == "/"
