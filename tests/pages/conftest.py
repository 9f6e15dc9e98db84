"""Three people: alice owns, charlie is a stranger, admin is staff."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from library.models import Asset
from tests.pages import photos

Photo = Callable[..., Asset]


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", password=photos.PASSWORD)


@pytest.fixture
def charlie(db: None) -> User:
    return User.objects.create_user("charlie", password=photos.PASSWORD)


@pytest.fixture
def as_alice(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def as_charlie(charlie: User) -> Client:
    client = Client()
    client.force_login(charlie)
    return client


@pytest.fixture
def photo(alice: User, transactional_db: None) -> Photo:
    """`photo("red", title="Poppies")` is alice's, public and not described yet."""
    made: list[Asset] = []

    def make(colour: str, *, owner: User = alice, **words: Any) -> Asset:
        made.append(photos.store(owner, colour, seed=len(made) + 1, **words))
        return made[-1]

    return make


@pytest.fixture
def searchable(photo: Photo) -> Photo:
    """Like `photo`, and described and indexed."""

    def make(colour: str, **words: Any) -> Asset:
        asset = photo(colour, **words)
        photos.describe_all()
        return asset

    return make
