"""Keys act for their owner, within their scopes, until they are revoked."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from core.errors import InvalidInput, NotAllowed, NotFound
from library import api_keys
from library.models import ApiKey
from tests.library.conftest import signed_in, stored
from tests.library.pictures import picture

pytestmark = pytest.mark.django_db(transaction=True)


def bearer(token: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {token}"}}


def token_of(user: User, *scopes: str) -> str:
    return api_keys.create_key(user, name="script", scopes=scopes).token


def test_the_secret_is_not_in_the_database(alice: User) -> None:
    key, token = api_keys.create_key(alice, name="script", scopes=["read"])
    secret = token.rsplit("_", 1)[-1] if token.count("_") == 2 else token.split("_", 2)[2]
    row = str(ApiKey.objects.filter(pk=key.pk).values().get())
    assert secret not in row
    assert api_keys.key_of(token) == key


@pytest.mark.parametrize("spoilt", ["", "sl", "sl__", "sl_000000000000_x", "{}x", "x{}", "\0", "ключ"])
def test_a_wrong_key_is_no_key(spoilt: str, alice: User) -> None:
    assert api_keys.key_of(spoilt.format(token_of(alice, "read"))) is None


def test_a_revoked_key_works_no_more(alice: User) -> None:
    key, token = api_keys.create_key(alice, name="script", scopes=["read"])
    api_keys.revoke_key(alice, key.pk)
    assert api_keys.key_of(token) is None
    assert list(api_keys.live_keys(alice)) == []
    api_keys.revoke_key(alice, key.pk)


def test_nobody_revokes_the_key_of_somebody_else(alice: User, bob: User) -> None:
    key, token = api_keys.create_key(alice, name="script", scopes=["read"])
    with pytest.raises(NotFound):
        api_keys.revoke_key(bob, key.pk)
    assert api_keys.key_of(token)


@pytest.mark.parametrize(
    ("name", "scopes", "field"),
    [
        ("", ["read"], "name"),
        ("x" * 81, ["read"], "name"),
        ("a\0", ["read"], "name"),
        ("k", [], "scopes"),
        ("k", ["root"], "scopes"),
    ],
)
def test_a_key_against_the_rules_names_its_field(
    name: str, scopes: list[str], field: str, alice: User
) -> None:
    with pytest.raises(InvalidInput) as refused:
        api_keys.create_key(alice, name=name, scopes=scopes)
    assert refused.value.field == field


def test_the_scope_admin_is_for_staff_and_ends_with_it(alice: User, carol: User) -> None:
    with pytest.raises(NotAllowed):
        api_keys.create_key(alice, name="script", scopes=["admin"])
    token = token_of(carol, "admin")
    path = "/api/v1/admin/jobs/1"
    assert Client().get(path, **bearer(token)).status_code == 404
    User.objects.filter(pk=carol.pk).update(is_staff=False)
    assert Client().get(path, **bearer(token)).status_code == 403


def test_a_key_sleeps_while_its_owner_is_not_active(alice: User) -> None:
    token = token_of(alice, "read")
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert Client().get("/api/v1/assets", **bearer(token)).status_code == 401


def test_a_key_sees_what_its_owner_sees_and_no_more(alice: User, bob: User) -> None:
    hers, his = stored(alice), stored(bob, picture(seed=1))
    token = token_of(alice, "read")
    assert Client().get(f"/api/v1/assets/{hers.pk}", **bearer(token)).status_code == 200
    assert Client().get(f"/api/v1/assets/{his.pk}", **bearer(token)).status_code == 404


def test_each_scope_opens_its_own_doors_only(alice: User, wakes: list[str]) -> None:
    asset = stored(alice)
    read, write = token_of(alice, "read"), token_of(alice, "write")
    path = f"/api/v1/assets/{asset.pk}"
    assert Client().get(path, **bearer(read)).status_code == 200
    assert Client().get(path, **bearer(write)).status_code == 403
    assert Client().delete(path, **bearer(read)).status_code == 403
    assert Client().get(f"/media/asset/{asset.pk}/original", **bearer(write)).status_code == 403
    assert Client().delete(path, **bearer(write)).status_code == 204


def test_a_wrong_key_is_told_so_and_not_treated_as_a_stranger(alice: User) -> None:
    stored(alice, visibility="public")
    answer = Client().get("/api/v1/assets", **bearer("sl_0_0"))
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


def test_a_key_can_not_make_another_key(alice: User) -> None:
    token = token_of(alice, "read", "write")
    body = {"name": "child", "scopes": ["read", "write"]}
    answer = Client().post("/api/v1/api-keys", body, content_type="application/json", **bearer(token))
    assert answer.status_code == 403
    assert ApiKey.objects.count() == 1


def test_a_person_makes_lists_and_revokes_keys_over_http(alice: User) -> None:
    client = signed_in(alice)
    made = client.post(
        "/api/v1/api-keys", {"name": "cron", "scopes": ["read"]}, content_type="application/json"
    )
    assert made.status_code == 201
    token = made.json()["key"]
    assert Client().get("/api/v1/assets", **bearer(token)).status_code == 200
    listed = client.get("/api/v1/api-keys")
    assert [key["name"] for key in listed.json()["results"]] == ["cron"]
    assert token.split("_", 2)[2] not in listed.content.decode()
    assert client.delete(f"/api/v1/api-keys/{made.json()['id']}").status_code == 204
    assert Client().get("/api/v1/assets", **bearer(token)).status_code == 401


def test_a_session_needs_its_csrf_token_and_a_key_does_not(alice: User, wakes: list[str]) -> None:
    asset = stored(alice)
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.delete(f"/api/v1/assets/{asset.pk}").status_code == 403
    strict = Client(enforce_csrf_checks=True)
    assert strict.delete(f"/api/v1/assets/{asset.pk}", **bearer(token_of(alice, "write"))).status_code == 204


def test_the_last_use_of_a_key_is_noted(alice: User) -> None:
    key, token = api_keys.create_key(alice, name="script", scopes=["read"])
    Client().get("/api/v1/assets", **bearer(token))
    key.refresh_from_db()
    assert key.last_used_at is not None
