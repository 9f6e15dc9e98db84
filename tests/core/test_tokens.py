"""The last use of a key is known to a few minutes, at one write in these."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from core import tokens
from library import api_keys
from library.models import ApiKey

pytestmark = pytest.mark.django_db


@pytest.fixture
def key() -> ApiKey:
    return api_keys.create_key(User.objects.create_user("alice"), name="k", scopes=["read"]).key


def test_a_use_is_noted_once_in_a_while(key: ApiKey, django_assert_num_queries: Any) -> None:
    api_keys.note_use(key)
    first = ApiKey.objects.get()
    assert first.last_used_at is not None
    with django_assert_num_queries(0):
        api_keys.note_use(first)
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=6))
    api_keys.note_use(ApiKey.objects.get())
    again = ApiKey.objects.get().last_used_at
    assert again is not None
    assert again > first.last_used_at


def test_another_process_that_noted_it_meanwhile_is_believed(key: ApiKey) -> None:
    api_keys.note_use(key)
    noted = ApiKey.objects.get().last_used_at
    api_keys.note_use(key)  # as it was read before
    assert ApiKey.objects.get().last_used_at == noted


def test_whatever_is_sent_has_a_digest() -> None:
    assert tokens.digest("abc").startswith("ba7816bf8f01cfea")
    assert tokens.digest("\ud800") != tokens.digest("\ud801")
