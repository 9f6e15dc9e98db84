"""Steps of people with an account."""

from django.test import Client

from tests.pages import photos


def sign_in(client: Client, **extra: str) -> str:
    response = client.post("/account/login/", {"username": "alice", "password": photos.PASSWORD, **extra})
    return response.headers.get("Location", "")
