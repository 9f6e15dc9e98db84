"""Safety over HTTP, and in Django's admin."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from library.api_keys import create_key
from library.models import Asset, SafetyStatement
from library.safety import say
from tests.library.conftest import signed_in, stored
from tests.library.pictures import picture

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wakes")]
ADMIN = "/admin/library/asset/"


def url(asset: Asset) -> str:
    return f"/api/v1/assets/{asset.pk}/safety"


def sent(client: Client, asset: Asset, body: Any, **headers: str) -> Any:
    return client.post(url(asset), body, content_type="application/json", headers=headers)


@pytest.fixture
def glaring(alice: User) -> Asset:
    return scored(alice)


def scored(owner: User, seed: int = 0, **words: Any) -> Asset:
    asset = stored(owner, picture(seed=seed), **{"visibility": "public", **words})
    Asset.objects.filter(pk=asset.pk).update(unsafe_score=0.93)
    return asset


class TestApi:
    def test_a_moderator_judges_and_takes_back(self, glaring: Asset, carol: User) -> None:
        client = signed_in(carol)
        told = sent(client, glaring, {"say": "safe", "note": "a statue"}).json()
        assert (told["unsafe"], told["hidden"], told["judged"], told["unsafe_score"]) == (
            False,
            False,
            True,
            0.93,
        )
        (said,) = told["statements"]
        assert (said["say"], said["note"], said["said_by"], said["taken_back_at"]) == (
            "safe",
            "a statue",
            "carol",
            None,
        )
        asset = Client().get(f"/api/v1/assets/{glaring.pk}").json()
        assert (asset["unsafe"], asset["hidden"]) == (False, False)
        undone = client.delete(url(glaring)).json()
        assert (undone["hidden"], undone["judged"]) == (True, False)
        assert undone["statements"][0]["taken_back_by"] == "carol"
        assert client.delete(url(glaring)).status_code == 409

    def test_an_owner_is_told_and_asks_and_a_stranger_does_neither(
        self, glaring: Asset, alice: User, bob: User
    ) -> None:
        owner = signed_in(alice)
        assert owner.get(url(glaring)).json()["may_say"] == ["ask"]
        assert sent(owner, glaring, {"say": "safe"}).status_code == 403
        assert sent(owner, glaring, {"say": "ask"}).json()["statements"][0]["say"] == "ask"
        stranger = signed_in(bob)
        assert stranger.get(url(glaring)).status_code == 403
        assert sent(stranger, glaring, {"say": "unsafe"}).status_code == 403
        assert stranger.delete(url(glaring)).status_code == 403
        assert Client().get(url(glaring)).status_code == 401
        assert sent(Client(), glaring, {"say": "unsafe"}).status_code == 401

    def test_a_private_photo_is_not_found(self, alice: User, carol: User) -> None:
        private = scored(alice, visibility="private")
        client = signed_in(carol)
        answers = [
            client.get(url(private)),
            sent(client, private, {"say": "safe"}),
            client.delete(url(private)),
        ]
        assert [answer.status_code for answer in answers] == [404, 404, 404]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"say": "fine"},
            {"say": "safe", "why": "x"},
            {"say": "safe", "note": "x" * 501},
            {"say": None},
            [],
        ],
    )
    def test_bad_input_is_a_400(self, glaring: Asset, carol: User, body: Any) -> None:
        answer = sent(signed_in(carol), glaring, body)
        assert answer.status_code == 400, answer.content
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert not SafetyStatement.objects.exists()

    def test_a_key_needs_the_scope_write(self, glaring: Asset, carol: User) -> None:
        for scope, status in (("read", 403), ("write", 200)):
            token = create_key(carol, name=scope, scopes=[scope]).token
            answer = sent(Client(), glaring, {"say": "safe"}, Authorization=f"Bearer {token}")
            assert answer.status_code == status


class TestAdmin:
    def test_a_moderator_judges_many_at_once_and_is_told_which_can_not_be(
        self, glaring: Asset, alice: User, carol: User
    ) -> None:
        private = scored(alice, seed=1, visibility="private")
        client = signed_in(carol)
        chosen = {"_selected_action": [glaring.pk, private.pk]}
        page = client.post(ADMIN, {"action": "mark_safe", **chosen}, follow=True).content.decode()
        assert "Done for 1 photo." in page
        assert f"Photo {private.pk} is private" in page
        assert Asset.objects.get(pk=glaring.pk).judged_unsafe is False
        assert Asset.objects.get(pk=private.pk).judged_unsafe is None
        client.post(ADMIN, {"action": "mark_unsafe", **chosen})
        assert Asset.objects.get(pk=glaring.pk).judged_unsafe is True
        for _ in range(2):
            client.post(ADMIN, {"action": "take_back", **chosen})
        assert Asset.objects.get(pk=glaring.pk).judged_unsafe is None
        page = client.post(ADMIN, {"action": "take_back", **chosen}, follow=True).content.decode()
        assert "Nobody has said anything" in page
        assert "Safe, carol on " in client.get(f"{ADMIN}{glaring.pk}/change/").content.decode()

    def test_staff_without_the_permission_are_offered_no_such_action(self, glaring: Asset, bob: User) -> None:
        bob.is_staff = True
        bob.save()
        bob.user_permissions.set(Permission.objects.filter(codename__in=["view_asset", "change_asset"]))
        client = signed_in(bob)
        assert "mark_safe" not in client.get(ADMIN).content.decode()
        client.post(ADMIN, {"action": "mark_safe", "_selected_action": [glaring.pk]})
        assert Asset.objects.get(pk=glaring.pk).judged_unsafe is None

    @pytest.mark.parametrize(
        ("chosen", "listed"),
        [("asked", [0]), ("scored", [0, 1]), ("unsafe", [0, 1, 2]), ("judged", [2, 3]), ("", [0, 1, 2, 3])],
    )
    def test_the_list_narrows_to_what_waits(
        self, alice: User, carol: User, chosen: str, listed: list[int]
    ) -> None:
        assets = [scored(alice, seed=seed) for seed in range(4)]
        say(alice, assets[0].pk, "ask")
        say(carol, assets[2].pk, "unsafe")
        say(carol, assets[3].pk, "safe")
        page = signed_in(carol).get(ADMIN, {"safety": chosen} if chosen else {})
        shown = {asset.pk for asset in page.context["cl"].queryset}
        assert shown == {assets[at].pk for at in listed}

    def test_pictures_of_public_photos_alone_are_shown(
        self, glaring: Asset, alice: User, carol: User
    ) -> None:
        private = scored(alice, seed=1, visibility="private")
        page = signed_in(carol).get(ADMIN).content.decode()
        assert f"/media/asset/{glaring.pk}/thumbnail/" in page
        assert f"/media/asset/{private.pk}/" not in page

    def test_a_photo_that_was_spoken_of_can_still_be_deleted(self, glaring: Asset, carol: User) -> None:
        say(carol, glaring.pk, "safe")
        signed_in(carol).post(f"{ADMIN}{glaring.pk}/delete/", {"post": "yes"})
        assert not Asset.objects.exists()
