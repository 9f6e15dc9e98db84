"""The review page as plain forms, and as the parts that its script asks for."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from captioning.models import Caption, ReviewDecision, ReviewLease
from library.models import Asset
from tests.pages.conftest import Photo
from tests.pages.markup import without_token

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/review/"


def doubted(asset: Asset, priority: float = 0.5) -> Caption:
    """The photo's caption, in the queue."""
    found = Caption.objects.filter(frame__asset=asset)
    found.update(
        state="to_review",
        review_priority=priority,
        doubts=["confidence", "match"],
        alternatives=["poppies", "a field"],
    )
    return found.get()


@pytest.fixture
def reviewer(charlie: User) -> User:
    charlie.user_permissions.add(Permission.objects.get(codename="review_caption"))
    return charlie


def cards(answer: Any) -> list[int]:
    """Ids of the captions on the page, in order."""
    return [int(pk) for pk in re.findall(r'data-card="(\d+)"', answer.content.decode())]


def hidden(answer: Any) -> list[int]:
    return [int(pk) for pk in re.findall(r'data-card="(\d+)"[^>]* hidden>', answer.content.decode())]


def send(client: Client, caption: Caption, scripted: bool = False, **fields: Any) -> Any:
    form = {"shown": caption.text, "text": caption.text, **fields}
    headers = {"X-Requested-With": "fetch"} if scripted else {}
    return client.post(f"{URL}{caption.pk}/", form, headers=headers)


def test_one_photo_with_its_caption_doubts_and_alternatives_and_the_next_behind_it(
    searchable: Photo, as_alice: Client
) -> None:
    first, second = doubted(searchable("red"), 0.9), doubted(searchable("blue"), 0.1)
    answer = as_alice.get(URL)
    assert cards(answer) == [first.pk, second.pk]
    assert hidden(answer) == [second.pk]
    html = unescape(answer.content.decode())
    assert (
        f'maxlength="1000" required aria-describedby="doubts-{first.pk}" data-text>a red picture</textarea>'
        in html
    )
    assert "The model was unsure; caption and picture do not match well" in html
    assert '<button name="choice" value="poppies"' in html
    assert "<strong>2</strong> left" in html
    assert f'href="/assets/{first.frame.asset_id}/"' in html
    assert ReviewLease.objects.count() == 2
    assert cards(as_alice.get(URL)) == [first.pk, second.pk], "loaded again it shows the same"
    assert cards(as_alice.get(f"{URL}?caption={second.pk}")) == [second.pk, first.pk]


@pytest.mark.parametrize("caption", ["", "x", "0", "999999", "9" * 30, "٣"])
def test_a_caption_that_does_not_wait_is_not_put_in_front(
    searchable: Photo, as_alice: Client, caption: str
) -> None:
    only = doubted(searchable("red"))
    assert cards(as_alice.get(URL, {"caption": caption})) == [only.pk]


def test_an_empty_queue_says_so_kindly(as_alice: Client) -> None:
    html = as_alice.get(URL).content.decode()
    assert "Nothing is waiting for you" in html
    assert "data-empty>" in html


def test_strangers_are_asked_to_sign_in(client: Client, transactional_db: None) -> None:
    assert client.get(URL).headers["Location"] == "/account/login/?next=/review/"
    for page in ("1/", "undo/", "stop/"):
        assert client.post(f"{URL}{page}").status_code == 302
        assert client.get(f"{URL}{page}").status_code == 302


@pytest.mark.parametrize(
    ("fields", "state", "stands"),
    [
        ({"decision": "accept"}, "accepted", "a red picture"),
        ({"decision": "accept", "text": " poppies\n at dusk"}, "edited", "poppies at dusk"),
        ({"decision": "edit", "text": "poppies"}, "edited", "poppies"),
        ({"choice": "a field"}, "edited", "a field"),
        ({"decision": "reject", "text": "ignored"}, "rejected", None),
        ({"decision": "skip", "text": ""}, "to_review", "a red picture"),
    ],
)
def test_each_button_decides_and_leads_to_the_next(
    searchable: Photo, as_alice: Client, fields: dict[str, str], state: str, stands: str | None
) -> None:
    asset = searchable("red")
    caption = doubted(asset)
    answer = send(as_alice, caption, False, **fields)
    assert (answer.status_code, answer.headers["Location"]) == (302, URL)
    caption.refresh_from_db()
    assert caption.state == state
    assert as_alice.get(f"/api/v1/assets/{asset.pk}").json()["caption"] == stands


def test_undoing_shows_the_photo_again(searchable: Photo, as_alice: Client) -> None:
    first, _ = doubted(searchable("red"), 0.9), doubted(searchable("blue"), 0.1)
    as_alice.get(URL)
    send(as_alice, first, decision="reject")
    answer = as_alice.post(f"{URL}undo/", follow=True)
    assert cards(answer)[0] == first.pk
    first.refresh_from_db()
    assert first.state == "to_review"
    answer = as_alice.post(f"{URL}undo/")
    assert answer.status_code == 409
    assert "There is no decision of yours to undo." in answer.content.decode()


def test_a_script_gets_only_what_is_new(searchable: Photo, as_alice: Client) -> None:
    captions = [
        doubted(searchable(colour), 0.9 - at / 10) for at, colour in enumerate(("red", "blue", "green"))
    ]
    as_alice.get(URL)
    answer = send(as_alice, captions[0], scripted=True, decision="accept", besides=[captions[1].pk])
    html = answer.content.decode()
    assert answer.status_code == 200
    assert "<html" not in html
    assert cards(answer) == hidden(answer) == [captions[2].pk]
    assert "<p data-said>Accepted.</p>" in html
    assert "<strong>2</strong> left" in html
    assert "1 decided today" in html
    headers = {"X-Requested-With": "fetch"}
    besides = {"besides": [captions[1].pk, captions[2].pk]}
    undone = as_alice.post(f"{URL}undo/", besides, headers=headers)
    assert cards(undone) == [captions[0].pk]
    assert "data-in-front" in undone.content.decode()


@pytest.mark.parametrize("scripted", [False, True])
def test_what_was_decided_meanwhile_is_said_and_typed_words_are_kept(
    searchable: Photo, as_alice: Client, reviewer: User, as_charlie: Client, scripted: bool
) -> None:
    caption = doubted(searchable("red"))
    send(as_charlie, caption, decision="reject")
    answer = send(as_alice, caption, scripted, decision="accept", text="<b>poppies</b>")
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "This caption was rejected meanwhile." in html
    assert "Your words were: “&lt;b&gt;poppies&lt;/b&gt;”" in html
    assert cards(answer) == []


@pytest.mark.parametrize("scripted", [False, True])
def test_a_new_sentence_is_shown_with_the_typed_words_in_the_box(
    searchable: Photo, as_alice: Client, scripted: bool
) -> None:
    caption = doubted(searchable("red"))
    Caption.objects.update(text="a red wall")
    answer = send(as_alice, caption, scripted, decision="accept", text="poppies")
    html = unescape(answer.content.decode())
    assert answer.status_code == 409
    assert "anew meanwhile: “a red wall”" in html
    assert cards(answer) == [caption.pk]
    assert ">poppies</textarea>" in html
    assert 'name="shown" value="a red wall"' in html
    assert "Your words were" not in html


@pytest.mark.parametrize(
    ("text", "said"), [("  ", "Write a caption"), ("x" * 1001, "at most 1000 characters")]
)
def test_words_that_can_not_be_a_caption_are_refused_beside_the_box(
    searchable: Photo, as_alice: Client, text: str, said: str
) -> None:
    caption = doubted(searchable("red"))
    answer = send(as_alice, caption, decision="accept", text=text)
    html = answer.content.decode()
    assert answer.status_code == 400
    assert said in html
    assert 'aria-invalid="true"' in html
    assert not ReviewDecision.objects.exists()


def test_a_form_that_names_no_decision_is_refused(searchable: Photo, as_alice: Client) -> None:
    caption = doubted(searchable("red"))
    assert send(as_alice, caption, decision="burn").status_code == 400
    assert not ReviewDecision.objects.exists()


def test_two_reviewers_are_shown_different_photos(
    searchable: Photo, as_alice: Client, reviewer: User, as_charlie: Client
) -> None:
    for colour in ("red", "blue", "green"):
        doubted(searchable(colour))
    hers, his = cards(as_alice.get(URL)), cards(as_charlie.get(URL))
    assert (len(hers), len(his)) == (2, 1)
    assert not set(hers) & set(his)
    as_alice.post(f"{URL}stop/")
    assert len(cards(as_charlie.get(URL))) == 2


def test_what_one_may_not_see_is_not_found_just_like_none(
    searchable: Photo, as_charlie: Client, reviewer: User
) -> None:
    private = doubted(searchable("red", visibility="private"))
    assert cards(as_charlie.get(URL)) == []
    theirs = send(as_charlie, private, decision="reject")
    form = {"shown": private.text, "text": private.text, "decision": "reject"}
    none = as_charlie.post(f"{URL}{private.pk + 99}/", form)
    assert theirs.status_code == none.status_code == 404
    assert without_token(theirs.content) == without_token(none.content)
    assert "a red picture" not in theirs.content.decode()
    assert as_charlie.get(f"/review/photos/{private.frame.asset_id}/960").status_code == 404


def test_a_private_photo_of_another_is_shown_without_a_link_to_it(
    searchable: Photo, as_charlie: Client, charlie: User
) -> None:
    charlie.user_permissions.add(Permission.objects.get(codename="review_private_caption"))
    private = doubted(searchable("red", visibility="private", title="Secret"))
    answer = as_charlie.get(URL)
    assert cards(answer) == [private.pk]
    html = answer.content.decode()
    assert f"/assets/{private.frame.asset_id}/" not in html
    assert "Secret" not in html
    picture = as_charlie.get(f"/review/photos/{private.frame.asset_id}/960")
    assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/webp")
    assert "private" in picture.headers["Cache-Control"]
    picture.close()


def test_the_account_menu_counts_what_waits(
    searchable: Photo, as_alice: Client, as_charlie: Client, client: Client
) -> None:
    assert "Review captions" not in as_alice.get("/").content.decode()
    for colour in ("red", "blue"):
        doubted(searchable(colour))
    assert re.search(r'Review captions <span class="count">2<', as_alice.get("/").content.decode())
    assert "Review captions" not in as_charlie.get("/").content.decode()


def test_strangers_cost_no_count(searchable: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("counted")

    monkeypatch.setattr("captioning.review_queue.count_waiting", asked)
    assert Client().get("/").status_code == 200
