"""A photo's own page, its owner's changes, and the photos beside it."""

import json
import re
from html import unescape
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from PIL import Image

from captioning.models import Caption
from captioning.services import write_words
from core.errors import EngineUnavailable
from library.models import Asset
from tests.pages.conftest import Photo
from tests.pages.markup import without_token
from tests.pages.photos import describe_all
from workers.models import StageRun

pytestmark = pytest.mark.django_db(transaction=True)


def form_of(asset: Asset, **changes: str) -> dict[str, str]:
    """What the edit form sends when nothing else is touched."""
    caption = Caption.objects.filter(frame__asset=asset).first()
    text = caption.text if caption else ""
    unchanged = {
        "title": asset.title,
        "caption": text,
        "shown": text,
        "description": asset.description,
        "tags": ", ".join(asset.tags.values_list("name", flat=True)),
        "visibility": asset.visibility,
    }
    return unchanged | changes


def test_it_shows_what_is_known_and_what_a_machine_said(searchable: Photo, as_alice: Client) -> None:
    asset = searchable("red", title="Poppies", tags=["field"])
    html = as_alice.get(f"/assets/{asset.pk}/").content.decode()
    assert "<h1>Poppies</h1>" in html
    assert 'alt="A red picture"' in html
    assert "Caption written by a model" in html
    assert "field" in html
    assert "strawberry" in html
    assert "(seen by the model)" in html


def test_the_place_is_for_the_owner_alone(searchable: Photo, as_alice: Client, as_charlie: Client) -> None:
    asset = searchable("red", name="secret-name.png")
    Asset.objects.filter(pk=asset.pk).update(latitude=46.51234, longitude=7.91234)
    own = as_alice.get(f"/assets/{asset.pk}/").content.decode()
    assert "46.51234, 7.91234" in own
    other = as_charlie.get(f"/assets/{asset.pk}/").content.decode()
    assert "46.5" not in other
    assert "secret-name" not in other


@pytest.mark.parametrize("page", ["", "edit/", "delete/", "related/"])
def test_a_strangers_private_photo_is_not_found_just_like_none(
    photo: Photo, as_charlie: Client, page: str
) -> None:
    private = photo("red", visibility="private")
    theirs, none = as_charlie.get(f"/assets/{private.pk}/{page}"), as_charlie.get(f"/assets/999999/{page}")
    assert theirs.status_code == none.status_code == 404
    assert without_token(theirs.content) == without_token(none.content)


@pytest.mark.parametrize("page", ["edit/", "delete/"])
def test_a_strangers_public_photo_can_be_seen_but_not_changed(
    photo: Photo, as_charlie: Client, page: str
) -> None:
    public = photo("red")
    assert as_charlie.get(f"/assets/{public.pk}/").status_code == 200
    assert as_charlie.get(f"/assets/{public.pk}/{page}").status_code == 403
    assert as_charlie.post(f"/assets/{public.pk}/{page}").status_code == 403
    assert Asset.objects.filter(pk=public.pk).exists()


def test_changing_and_deleting_ask_strangers_to_sign_in_and_come_back(photo: Photo) -> None:
    asset = photo("red")
    response = Client().get(f"/assets/{asset.pk}/edit/")
    assert response.headers["Location"] == f"/account/login/?next=/assets/{asset.pk}/edit/"


def test_it_asks_for_itself_again_until_the_work_is_done(photo: Photo, as_alice: Client) -> None:
    asset = photo("red")
    waiting = as_alice.get(f"/assets/{asset.pk}/").content.decode()
    assert 'hx-trigger="every 2s"' in waiting
    assert "Being prepared" in waiting
    describe_all()
    done = as_alice.get(f"/assets/{asset.pk}/").content.decode()
    assert "every 2s" not in done
    assert "Being prepared" not in done


def test_a_page_that_shows_the_latest_is_not_drawn_again(photo: Photo, as_alice: Client) -> None:
    address = f"/assets/{photo('red').pk}/"
    html = as_alice.get(address).content.decode()
    seen = unescape(html.partition(f'hx-get="{address}?seen=')[2].partition('"')[0])
    assert as_alice.get(f"{address}?seen={seen}").status_code == 204
    describe_all()
    assert as_alice.get(f"{address}?seen={seen}").status_code == 200


def test_work_that_failed_is_said_and_not_asked_for_again(photo: Photo, as_alice: Client) -> None:
    asset = photo("red")
    StageRun.objects.create(
        stage="frames", subject_id=asset.pk, state=StageRun.State.FAILED, error="secret trace"
    )
    html = as_alice.get(f"/assets/{asset.pk}/").content.decode()
    assert "failed" in html
    assert "secret trace" not in html


def test_the_owner_changes_every_word_of_it(searchable: Photo, as_alice: Client) -> None:
    asset = searchable("red")
    changed = form_of(
        asset, title="Poppies", caption="red poppies", tags="field,  june ", visibility="private"
    )
    assert as_alice.post(f"/assets/{asset.pk}/edit/", changed).status_code == 302
    asset.refresh_from_db()
    assert (asset.title, asset.visibility) == ("Poppies", "private")
    assert set(asset.tags.values_list("name", flat=True)) == {"field", "june"}
    html = as_alice.get(f"/assets/{asset.pk}/").content.decode()
    assert "Red poppies" in html
    assert "Caption written by a person" in html


def test_saving_the_form_untouched_leaves_the_caption_to_the_model(
    searchable: Photo, as_alice: Client
) -> None:
    asset = searchable("red")
    assert as_alice.post(f"/assets/{asset.pk}/edit/", form_of(asset, title="New")).status_code == 302
    assert not Caption.objects.filter(source=Caption.Source.HUMAN).exists()


def fields_in(html: str) -> dict[str, str]:
    """What a browser would send of an edit form that it was given."""
    form = re.findall(r'<form method="post" class="form.*?</form>', html, re.DOTALL)[0]
    inputs = re.findall(r'<input type="(?:text|hidden)" name="(\w+)"(?: value="([^"]*)")?', form)
    boxes = re.findall(r'<textarea name="(\w+)".*?>\n?(.*?)</textarea>', form, re.DOTALL)
    ((_, visibility),) = re.findall(
        r'<input type="radio" (name="visibility") value="(\w+)"[^>]* checked', form
    )
    return {name: unescape(value) for name, value in (*inputs, *boxes)} | {"visibility": visibility}


@pytest.mark.parametrize("meanwhile", ["rejected", "corrected", "replaced"])
def test_a_caption_that_others_changed_while_the_form_was_open_is_not_brought_back(
    searchable: Photo, as_alice: Client, meanwhile: str
) -> None:
    asset = searchable("red")
    opened = fields_in(as_alice.get(f"/assets/{asset.pk}/edit/").content.decode())
    assert (opened["caption"], opened["shown"]) == ("a red picture", "a red picture")
    caption = Caption.objects.get()
    if meanwhile == "rejected":
        Caption.objects.update(state=Caption.State.REJECTED)
    elif meanwhile == "corrected":
        write_words(caption.frame_id, "poppies")
    else:
        Caption.objects.update(text="a field of poppies")
    before = list(Caption.objects.order_by("pk").values("source", "text", "state"))
    assert as_alice.post(f"/assets/{asset.pk}/edit/", opened | {"tags": "june"}).status_code == 302
    assert list(Caption.objects.order_by("pk").values("source", "text", "state")) == before
    assert [tag.name for tag in asset.tags.all()] == ["june"]


def test_words_of_the_owner_win_over_what_others_changed_meanwhile(
    searchable: Photo, as_alice: Client
) -> None:
    asset = searchable("red")
    opened = fields_in(as_alice.get(f"/assets/{asset.pk}/edit/").content.decode())
    write_words(Caption.objects.get().frame_id, "a rose")
    refused = as_alice.post(f"/assets/{asset.pk}/edit/", opened | {"caption": "mine", "title": "x" * 201})
    again = fields_in(refused.content.decode())
    assert (again["caption"], again["shown"]) == ("mine", "a red picture")
    as_alice.post(f"/assets/{asset.pk}/edit/", again | {"title": "Poppies"})
    assert Caption.objects.get(source=Caption.Source.HUMAN).text == "mine"


def test_a_form_that_was_opened_before_it_told_what_it_showed_leaves_the_caption_too(
    searchable: Photo, as_alice: Client
) -> None:
    asset = searchable("red")
    sent = form_of(asset, title="New")
    del sent["shown"]
    assert as_alice.post(f"/assets/{asset.pk}/edit/", sent).status_code == 302
    assert not Caption.objects.filter(source=Caption.Source.HUMAN).exists()


def test_emptying_the_caption_brings_the_models_back(searchable: Photo, as_alice: Client) -> None:
    asset = searchable("red")
    as_alice.post(f"/assets/{asset.pk}/edit/", form_of(asset, caption="mine"))
    as_alice.post(f"/assets/{asset.pk}/edit/", form_of(asset, caption=""))
    assert "A red picture" in as_alice.get(f"/assets/{asset.pk}/").content.decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "x" * 201),
        ("title", "tab\x07"),
        ("tags", "y" * 65),
        ("visibility", "everyone"),
        ("caption", "z" * 1001),
    ],
)
def test_words_that_break_a_rule_change_nothing_and_are_answered_beside_their_field(
    searchable: Photo, as_alice: Client, field: str, value: str
) -> None:
    asset = searchable("red")
    sent = form_of(asset, title="Kept back", description="Kept back") | {field: value}
    response = as_alice.post(f"/assets/{asset.pk}/edit/", sent)
    assert response.status_code == 400
    assert 'class="errorlist"' in response.content.decode()
    asset.refresh_from_db()
    assert asset.description == ""


def test_a_line_break_of_a_description_counts_as_one_character(searchable: Photo, as_alice: Client) -> None:
    asset = searchable("red")
    longest = "\r\n".join(["x" * 9] * 500)
    assert as_alice.post(f"/assets/{asset.pk}/edit/", form_of(asset, description=longest)).status_code == 302
    asset.refresh_from_db()
    assert asset.description == longest.replace("\r\n", "\n")
    longer = form_of(asset, description=longest + "yy")
    assert as_alice.post(f"/assets/{asset.pk}/edit/", longer).status_code == 400


def test_deleting_asks_first_and_then_deletes(searchable: Photo, as_alice: Client) -> None:
    asset = searchable("red")
    assert "Delete this photo?" in as_alice.get(f"/assets/{asset.pk}/delete/").content.decode()
    assert Asset.objects.exists()
    assert as_alice.post(f"/assets/{asset.pk}/delete/").headers["Location"] == "/library/"
    assert not Asset.objects.exists()
    assert as_alice.get(f"/assets/{asset.pk}/").status_code == 404


def test_related_photos_are_others_that_are_like_it(searchable: Photo, as_alice: Client) -> None:
    red, blue = searchable("red"), searchable("blue")
    html = as_alice.get(f"/assets/{red.pk}/related/").content.decode()
    assert f'data-photo="{blue.pk}"' in html
    assert f'data-photo="{red.pk}"' not in html


def test_an_engine_that_is_away_is_said_beside_the_photo(
    searchable: Photo, as_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object, **kwargs: object) -> None:
        raise EngineUnavailable("The index can't answer right now.")

    monkeypatch.setattr("recommender.views.related_list", away)
    asset = searchable("red")
    response = as_alice.get(f"/assets/{asset.pk}/related/")
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert "answer right now" in response.content.decode()
    assert as_alice.get(f"/assets/{asset.pk}/").status_code == 200


def test_my_photos_are_mine_and_nobody_elses(photo: Photo, as_alice: Client, charlie: User) -> None:
    mine = photo("red", visibility="private")
    theirs = photo("blue", owner=charlie)
    html = as_alice.get("/library/").content.decode()
    assert f'data-photo="{mine.pk}"' in html
    assert f'data-photo="{theirs.pk}"' not in html


@pytest.mark.parametrize("page", ["/", "/library/", "/assets/{}/", "/assets/{}/edit/", "/assets/{}/delete/"])
def test_what_people_write_is_shown_as_text_and_never_as_markup(
    searchable: Photo, as_alice: Client, page: str
) -> None:
    attack = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
    asset = searchable("red", title=attack, description=attack, tags=[attack], name=f"{attack}.png")
    as_alice.post(f"/assets/{asset.pk}/edit/", form_of(asset, caption=attack))
    html = as_alice.get(page.format(asset.pk)).content.decode()
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "alert(1)" in html, "the test looks where the words are"


def test_its_camera_leads_to_what_else_was_taken_with_it(searchable: Photo, as_alice: Client) -> None:
    asset, other = searchable("red"), searchable("blue")
    Asset.objects.filter(pk=asset.pk).update(camera="Canon EOS 5D")
    html = as_alice.get(f"/assets/{asset.pk}/").content.decode()
    link = unescape(re.findall(r'<dt>Camera</dt><dd><a href="([^"]+)"', html)[0])
    found = as_alice.get(link).content.decode()
    assert f'data-photo="{asset.pk}"' in found
    assert f'data-photo="{other.pk}"' not in found


def told_to_engines(client: Client, asset: Asset) -> tuple[Any, bool]:
    """The ImageObject of a photo's page, or None; and whether the page may be indexed."""
    html = client.get(f"/assets/{asset.pk}/").content.decode()
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', html, re.DOTALL)
    return json.loads(found[1]) if found else None, '<meta name="robots" content="noindex">' not in html


def test_search_engines_are_told_the_format_that_they_get(photo: Photo, client: Client) -> None:
    asset = photo("red")
    told, may_index = told_to_engines(client, asset)
    assert may_index
    served = client.get(told["contentUrl"])
    assert told["encodingFormat"] == served["Content-Type"] != asset.mime_type
    assert Image.open(BytesIO(served.getvalue())).size == (told["width"], told["height"])


def test_search_engines_are_told_nothing_of_what_lists_leave_out_as_unsafe(
    photo: Photo, client: Client, settings: Any
) -> None:
    unsafe, judged, safe = photo("red"), photo("blue"), photo("green")
    Asset.objects.filter(pk=unsafe.pk).update(unsafe_score=0.9)
    Asset.objects.filter(pk=judged.pk).update(judged_unsafe=True)
    Asset.objects.filter(pk=safe.pk).update(unsafe_score=0.9, judged_unsafe=False)
    for hidden in (unsafe, judged):
        assert told_to_engines(client, hidden) == (None, False)
    for shown in (safe, unsafe):
        settings.UNSAFE_PHOTOS = "hide" if shown == safe else "show"
        told, may_index = told_to_engines(client, shown)
        assert told["@type"] == "ImageObject"
        assert may_index
