"""/api/v1/review as a client sees it, and what the admin shows of review."""

from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from captioning import review_leases
from captioning.models import Caption, ReviewDecision, ReviewLease
from library import api_keys
from library.models import Asset
from tests.captioning.reviewing import decided, doubted

pytestmark = pytest.mark.django_db
URL = "/api/v1/review"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def decide(client: Client, caption: Caption, decision: str, **body: Any) -> Any:
    told = {"decision": decision, "shown": caption.text, **body}
    return client.post(f"{URL}/{caption.pk}", told, content_type="application/json")


def refused(answer: Any, status: int, words: str = "") -> None:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert words in answer.json()["detail"]


def test_the_next_one_with_all_that_a_reviewer_needs(alice: User) -> None:
    caption = doubted(alice)
    caption.confidence, caption.match_score = 0.25, 0.5
    caption.save()
    answer = signed_in(alice).get(f"{URL}/next")
    assert answer.status_code == 200, answer.content
    assert answer.json() == {
        "caption_id": caption.pk,
        "asset_id": caption.frame.asset_id,
        "picture": f"/review/photos/{caption.frame.asset_id}/960",
        "text": "a dog",
        "alternatives": ["a dog on grass", "a dog that runs"],
        "doubts": ["confidence", "match"],
        "confidence": 0.25,
        "match_score": 0.5,
        "left": 1,
        "decided_today": 0,
        "per_minute": None,
    }


def test_one_is_fetched_ahead_and_an_empty_queue_is_204(alice: User, bob: User) -> None:
    first, second = doubted(alice), doubted(alice)
    client = signed_in(alice)
    assert client.get(f"{URL}/next").json()["caption_id"] == first.pk
    assert client.get(f"{URL}/next?besides={first.pk}").json()["caption_id"] == second.pk
    assert client.get(f"{URL}/next?besides={first.pk}&besides={second.pk}").status_code == 204
    assert signed_in(bob).get(f"{URL}/next").status_code == 204, "alice has both before her"


@pytest.mark.parametrize("besides", [0, 2**63, 10**30])
def test_no_number_is_too_large_to_be_asked_for(alice: User, besides: int) -> None:
    refused(signed_in(alice).get(f"{URL}/next?besides={besides}"), 400, "besides")


def test_deciding_and_undoing(alice: User) -> None:
    caption = doubted(alice)
    client = signed_in(alice)
    answer = decide(client, caption, "edit", text="a wolf")
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert {name: told[name] for name in ("caption_id", "decision", "before", "after", "state")} == {
        "caption_id": caption.pk,
        "decision": "edit",
        "before": "a dog",
        "after": "a wolf",
        "state": "edited",
    }
    details = client.get(f"/api/v1/assets/{caption.frame.asset_id}").json()["caption_details"]
    assert (details["text"], details["state"]) == ("a wolf", "edited")
    undone = client.post(f"{URL}/undo").json()
    assert (undone["decision"], undone["after"], undone["state"]) == ("undo", "a dog", "to_review")
    refused(client.post(f"{URL}/undo"), 409, "no decision of yours")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"decision": "edit", "text": "  "}, "text"),
        ({"decision": "edit"}, "text"),
        ({"decision": "edit", "text": "x" * 1001}, "text"),
        ({"decision": "edit", "text": "a \0 wolf"}, "text"),
        ({"decision": "accept", "text": "a wolf"}, "text"),
        ({"decision": "burn"}, "decision"),
        ({"decision": "accept", "colour": "red"}, "colour"),
    ],
)
def test_what_makes_no_sense_is_refused_and_named(alice: User, body: dict[str, str], field: str) -> None:
    caption = doubted(alice)
    answer = decide(signed_in(alice), caption, **body)
    refused(answer, 400)
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not ReviewDecision.objects.exists()


def test_a_decision_on_what_changed_meanwhile_is_a_conflict(alice: User, bob: User) -> None:
    caption = doubted(alice)
    refused(decide(signed_in(alice), caption, "accept", shown="a cat"), 409, "“a dog”")
    decided(bob, caption, "accept")
    refused(decide(signed_in(alice), caption, "reject"), 409, "accepted meanwhile")


def test_strangers_readers_and_people_without_the_permission(alice: User, bob: User) -> None:
    private = doubted(alice, visibility="private")
    refused(Client().get(f"{URL}/next"), 401)
    refused(decide(Client(), private, "reject"), 401)
    key = api_keys.create_key(alice, name="reader", scopes=["read"]).token
    reader = Client(headers={"Authorization": f"Bearer {key}"})
    refused(reader.get(f"{URL}/next"), 403)
    told = {"decision": "reject", "shown": "a dog"}
    refused(reader.post(f"{URL}/{private.pk}", told, content_type="application/json"), 403)
    theirs, none = (
        decide(signed_in(bob), private, "reject"),
        signed_in(bob).post(f"{URL}/{private.pk + 99}", told, content_type="application/json"),
    )
    assert theirs.status_code == none.status_code == 404
    assert theirs.content == none.content


def test_a_key_that_only_writes_is_shown_no_caption(alice: User) -> None:
    key = api_keys.create_key(alice, name="writer", scopes=["write"]).token
    writer = Client(headers={"Authorization": f"Bearer {key}"})
    assert writer.get(f"{URL}/next").status_code == 403


def test_a_key_that_may_write_reviews(alice: User) -> None:
    caption = doubted(alice)
    key = api_keys.create_key(alice, name="writer", scopes=["read", "write"]).token
    writer = Client(headers={"Authorization": f"Bearer {key}"})
    assert writer.get(f"{URL}/next").json()["caption_id"] == caption.pk
    told = {"decision": "skip", "shown": "a dog"}
    answer = writer.post(f"{URL}/{caption.pk}", told, content_type="application/json")
    assert answer.json()["state"] == "to_review"


def test_the_contract_describes_review_with_examples(client: Client) -> None:
    contract = client.get("/api/v1/openapi.json").json()
    post = contract["paths"][f"{URL}/{{caption_id}}"]["post"]
    assert {"200", "400", "401", "403", "404", "409"} <= set(post["responses"])
    assert {"200", "204"} <= set(contract["paths"][f"{URL}/next"]["get"]["responses"])
    for schema in ("ReviewItem", "DecisionIn", "DecisionOut"):
        assert contract["components"]["schemas"][schema]["examples"]


class TestPictures:
    """A stranger's private photo is shown to who has it before them with permission, and to nobody else."""

    @pytest.fixture(autouse=True)
    def thumbnails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("library.renditions.open_thumbnail", lambda asset, width_px: BytesIO(b"webp"))

    def picture(self, user: User | None, asset: Asset) -> int:
        client = signed_in(user) if user else Client()
        return client.get(f"/review/photos/{asset.pk}/960").status_code

    def test_only_while_it_is_leased(self, alice: User, bob: User, dora: User) -> None:
        caption = doubted(alice, visibility="private")
        asset = caption.frame.asset
        assert self.picture(dora, asset) == 404
        assert review_leases.next_for(dora) == caption
        assert self.picture(dora, asset) == 200
        assert self.picture(alice, asset) == 200
        assert self.picture(bob, asset) == 404
        assert self.picture(None, asset) == 404
        assert signed_in(dora).get(f"/media/asset/{asset.pk}/thumbnail/960").status_code == 404
        ReviewLease.objects.update(leased_until=timezone.now())
        assert self.picture(dora, asset) == 404

    def test_a_lease_alone_opens_nothing(self, alice: User, bob: User) -> None:
        caption = doubted(alice, visibility="private")
        assert review_leases.take(caption.frame_id, bob)
        assert self.picture(bob, caption.frame.asset) == 404


class TestAdmin:
    def test_captions_by_state_and_doubt(self, admin_client: Client, alice: User) -> None:
        unsure, odd = doubted(alice, "a dog"), doubted(alice, "a cat")
        Caption.objects.filter(pk=odd.pk).update(doubts=["length"], state="auto_accepted")
        url = "/admin/captioning/caption/"
        page = admin_client.get(f"{url}?doubt=match").content.decode()
        assert ("a dog" in page, "a cat" in page) == (True, False)
        assert "confidence, match" in page
        page = admin_client.get(f"{url}?state__exact=auto_accepted").content.decode()
        assert ("a dog" in page, "a cat" in page) == (False, True)
        assert admin_client.get(f"{url}?doubt=%27%22;--").status_code == 200
        assert unsure.doubts == ["confidence", "match"]

    def test_decisions_are_read_and_never_changed(self, admin_client: Client, alice: User) -> None:
        decision = decided(alice, doubted(alice), "edit", "a wolf")
        url = "/admin/captioning/reviewdecision/"
        page = admin_client.get(f"{url}?kind__exact=edit&reviewer__id__exact={alice.pk}").content.decode()
        assert "a wolf" in page
        assert admin_client.get(f"{url}{decision.pk}/change/").status_code == 200
        assert admin_client.post(f"{url}{decision.pk}/change/", {"after": "x"}).status_code == 403
        assert admin_client.get(f"{url}add/").status_code == 403
        assert admin_client.post(f"{url}{decision.pk}/delete/", {"post": "yes"}).status_code == 403
