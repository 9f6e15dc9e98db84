"""Pictures of items by address, and what their sites are told."""

import hashlib
import hmac
import json
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from captioning.models import Caption
from library.accounts import shut_account
from library.models import Asset
from recommender import picture_fetch, webhooks
from recommender.item_content import checked_content
from recommender.items import delete_item, put_item
from recommender.models import Item, Site, WebhookMessage
from recommender.pictures import picture_url
from recommender.sites import change_site
from tests.library.pictures import picture
from tests.services.web import HERE, Handle, Serve, said
from workers import errands, pipeline

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def added(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Asset]:
    """What was set going like an upload."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.OUTBOUND_ALLOWED_NETWORKS = [HERE]
    settings.OUTBOUND_TIMEOUT_S = 2.0
    monkeypatch.setattr(pipeline, "wake_errands", lambda: True)
    told: list[Asset] = []
    monkeypatch.setattr(pipeline, "added", told.extend)
    return told


@pytest.fixture
def heard(serve: Serve, shop: Site) -> list[tuple[dict[str, str], bytes]]:
    """What the site's webhook is told."""
    told: list[tuple[dict[str, str], bytes]] = []

    def hear(asked: BaseHTTPRequestHandler) -> None:
        told.append((dict(asked.headers), asked.rfile.read(int(asked.headers["Content-Length"]))))
        said()(asked)

    change_site(shop, webhook_url=f"{serve(hear)}/hook")
    shop.refresh_from_db()
    return told


def item(of: Site, image_url: str, name: str = "1") -> Item:
    return put_item(of, name, checked_content({"title": "A walk", "image_url": image_url})).item


def a_minute_later() -> None:
    """For everything that waits."""
    back = timezone.now() - timedelta(minutes=1)
    Item.objects.filter(picture_due_at__isnull=False).update(picture_due_at=back)
    WebhookMessage.objects.filter(due_at__isnull=False).update(due_at=back)


def captioned(asset: Asset, text: str, source: str = Caption.Source.MODEL) -> None:
    from library.frames import make_frames

    (frame,) = make_frames(asset)
    Caption.objects.update_or_create(frame=frame, source=source, model_id="m", defaults={"text": text})
    errands.tell_sites([frame.pk])


def test_a_picture_is_fetched_kept_and_set_going_like_an_upload(
    shop: Site, serve: Serve, added: list[Asset]
) -> None:
    made = item(shop, f"{serve(said(picture(), Content_Type='image/jpeg'))}/a.jpg")
    assert made.picture_state == "waiting"
    assert errands.fetch_pictures() == 1
    made.refresh_from_db()
    assert made.picture_state == "ready"
    assert made.asset is not None
    assert (made.asset.owner, made.asset.visibility) == (shop.owner, "private")
    assert added == [made.asset]
    assert errands.fetch_pictures() == 0


@pytest.mark.parametrize(
    ("handle", "reason"),
    [
        (said(b"<html></html>", Content_Type="text/html"), "web page"),
        (said(b"<html></html>", Content_Type="image/jpeg"), "not a picture"),
        (said(status=404), "404"),
        (said(Content_Length=str(10**12)), "more than"),
        (said(status=302, Location="http://10.0.0.1/"), "public network"),
        (said(status=302, Location="http://169.254.169.254/latest/meta-data"), "public network"),
        (said(status=302, Location="http://["), "can't be read"),
        (said(picture()[:300], Content_Type="image/jpeg"), "JPEG"),
    ],
)
def test_what_is_refused_leaves_the_item_without_picture_and_says_why(
    shop: Site, serve: Serve, handle: Handle, reason: str
) -> None:
    made = item(shop, serve(handle))
    errands.fetch_pictures()
    made.refresh_from_db()
    assert (made.picture_state, made.asset, made.title) == ("refused", None, "A walk")
    assert reason in made.picture_error
    assert not Asset.objects.exists()


def test_a_private_address_is_refused(shop: Site, serve: Serve, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    made = item(shop, serve(said(picture())))
    errands.fetch_pictures()
    made.refresh_from_db()
    assert made.picture_state == "refused"
    assert "public network" in made.picture_error


def test_a_server_that_is_away_is_asked_again_and_given_up_in_the_end(shop: Site, serve: Serve) -> None:
    made = item(shop, serve(said(status=503)))
    for attempt in range(1, picture_fetch.MAX_ATTEMPTS + 1):
        assert errands.fetch_pictures() == 1
        assert errands.fetch_pictures() == 0  # not before its time
        made.refresh_from_db()
        assert made.picture_attempts == attempt
        a_minute_later()
    assert made.picture_state == "refused"
    assert "503" in made.picture_error


def test_a_refused_picture_is_tried_again_when_the_site_sends_the_item_again(
    shop: Site, serve: Serve
) -> None:
    good: list[bool] = []

    def changing(asked: BaseHTTPRequestHandler) -> None:
        (said(picture()) if good else said(status=404))(asked)

    made = item(shop, serve(changing))
    errands.fetch_pictures()
    good.append(True)
    assert item(shop, made.image_url).picture_state == "waiting"
    errands.fetch_pictures()
    made.refresh_from_db()
    assert made.picture_state == "ready"


def test_another_address_meanwhile_wins(shop: Site, serve: Serve) -> None:
    old, new = serve(said(picture())), serve(said(picture(seed=1)))
    item(shop, old)
    (claimed,) = picture_fetch.claim(5)
    found = picture_fetch.fetched(claimed)
    item(shop, new)
    picture_fetch.keep(found)
    assert not Asset.objects.exists()
    errands.fetch_pictures()
    assert Item.objects.get().asset is not None
    assert Asset.objects.count() == 1


def test_two_workers_do_not_fetch_the_same_picture(shop: Site, serve: Serve) -> None:
    item(shop, serve(said(picture())))
    assert (len(picture_fetch.claim(5)), len(picture_fetch.claim(5))) == (1, 0)
    a_minute_later()  # the one who took it died
    assert len(picture_fetch.claim(5)) == 1


class TestWebhooks:
    def test_a_site_is_told_when_a_caption_is_ready_and_when_it_is_corrected(
        self, shop: Site, serve: Serve, heard: list[Any]
    ) -> None:
        made = item(shop, serve(said(picture())))
        errands.fetch_pictures()
        made.refresh_from_db()
        assert made.asset is not None
        captioned(made.asset, "a dog on a beach")
        captioned(made.asset, "a dog on a beach")
        captioned(made.asset, "two dogs on a beach", Caption.Source.HUMAN)
        assert errands.call_webhooks() == 2
        told = [json.loads(body) for _, body in heard]
        assert [(one["event"], one["external_id"], one["caption"]) for one in told] == [
            ("caption.ready", "1", "a dog on a beach"),
            ("caption.corrected", "1", "two dogs on a beach"),
        ]
        assert errands.call_webhooks() == 0

    def test_a_correction_waits_until_the_site_has_what_it_corrects(self, shop: Site, serve: Serve) -> None:
        heard: list[str] = []

        def away_at_first(asked: BaseHTTPRequestHandler) -> None:
            heard.append(asked.headers["Sightline-Event"])
            said(status=503 if len(heard) == 1 else 200)(asked)

        change_site(shop, webhook_url=serve(away_at_first))
        shop.refresh_from_db()
        made = item(shop, serve(said(picture())))
        errands.fetch_pictures()
        made.refresh_from_db()
        assert made.asset is not None
        captioned(made.asset, "a dog on a beach")
        captioned(made.asset, "two dogs on a beach", Caption.Source.HUMAN)
        assert errands.call_webhooks() == 1
        assert errands.call_webhooks() == 0
        a_minute_later()
        assert errands.call_webhooks() == 2
        assert heard == ["caption.ready", "caption.ready", "caption.corrected"]

    def test_messages_are_signed(self, shop: Site, serve: Serve, heard: list[Any]) -> None:
        item(shop, serve(said(status=404)))
        errands.fetch_pictures()
        errands.call_webhooks()
        ((headers, body),) = heard
        at, given = (part.split("=")[1] for part in headers["Sightline-Signature"].split(","))
        expected = hmac.new(
            shop.webhook_secret.encode(), f"{at}.".encode() + body, hashlib.sha256
        ).hexdigest()
        assert given == expected
        assert json.loads(body)["event"] == headers["Sightline-Event"] == "picture.refused"
        assert "404" in json.loads(body)["error"]

    def test_a_message_is_tried_again_until_the_site_has_it(self, shop: Site, serve: Serve) -> None:
        answers = [503, 302, 200]
        keys: list[str] = []

        def hook(asked: BaseHTTPRequestHandler) -> None:
            keys.append(asked.headers["Sightline-Delivery"])
            said(status=answers[len(keys) - 1])(asked)

        change_site(shop, webhook_url=serve(hook))
        shop.refresh_from_db()
        item(shop, serve(said(status=404)))
        errands.fetch_pictures()
        for _ in answers:
            assert errands.call_webhooks() == 1
            assert errands.call_webhooks() == 0
            a_minute_later()
        message = WebhookMessage.objects.get()
        assert (message.state, message.attempts, len(set(keys))) == ("delivered", 3, 1)

    def test_one_that_never_gets_through_is_given_up(self, shop: Site, serve: Serve) -> None:
        change_site(shop, webhook_url=serve(said(status=500)))
        shop.refresh_from_db()
        item(shop, serve(said(status=404)))
        errands.fetch_pictures()
        for _ in range(webhooks.MAX_ATTEMPTS + 2):
            errands.call_webhooks()
            a_minute_later()
        message = WebhookMessage.objects.get()
        assert (message.state, message.attempts) == ("given_up", webhooks.MAX_ATTEMPTS)
        assert "500" in message.last_error

    def test_a_webhook_on_a_private_address_is_not_called(
        self, shop: Site, serve: Serve, settings: Any
    ) -> None:
        change_site(shop, webhook_url="http://127.0.0.1:9/")
        shop.refresh_from_db()
        item(shop, serve(said(status=404)))
        errands.fetch_pictures()
        settings.OUTBOUND_ALLOWED_NETWORKS = []
        errands.call_webhooks()
        assert WebhookMessage.objects.get().state == "given_up"

    def test_old_messages_go_but_for_the_last_sentence_of_each_item(self, shop: Site, serve: Serve) -> None:
        change_site(shop, webhook_url=serve(said(status=200)))
        shop.refresh_from_db()
        made = item(shop, serve(said(picture())))
        errands.fetch_pictures()
        made.refresh_from_db()
        assert made.asset is not None
        for sentence in ("a dog", "a cat", "a fox"):
            captioned(made.asset, sentence)
            errands.call_webhooks()
        other = item(shop, serve(said(status=404)), "other")
        errands.fetch_pictures()
        errands.call_webhooks()
        captioned(made.asset, "an owl")  # waits
        assert WebhookMessage.objects.count() == 5
        now = timezone.now()
        assert webhooks.drop_outdated(now + timedelta(days=29)) == 0
        assert webhooks.drop_outdated(now + timedelta(days=31)) == 4
        left = WebhookMessage.objects.get()
        assert (left.state, left.body["caption"]) == ("waiting", "an owl")
        errands.call_webhooks()
        assert webhooks.drop_outdated(now + timedelta(days=99)) == 0
        captioned(made.asset, "an owl")
        assert WebhookMessage.objects.count() == 1, "the site knows that"
        captioned(made.asset, "a hen")
        assert WebhookMessage.objects.latest("pk").event == "caption.corrected"
        WebhookMessage.objects.update(state="given_up", delivered_at=None)
        delete_item(shop, made.external_id)
        delete_item(shop, other.external_id)
        assert webhooks.drop_outdated(now + timedelta(days=31)) == 2
        assert not WebhookMessage.objects.exists()

    def test_a_site_without_webhook_is_told_nothing(self, shop: Site, serve: Serve) -> None:
        made = item(shop, serve(said(picture())))
        errands.fetch_pictures()
        made.refresh_from_db()
        assert made.asset is not None
        captioned(made.asset, "a dog")
        assert not WebhookMessage.objects.exists()


class TestOfAClosedAccount:
    """Of who has closed it; everything of theirs is deleted soon."""

    def test_its_pictures_are_not_shown_and_no_errand_is_done_for_it(
        self, shop: Site, serve: Serve, heard: list[Any]
    ) -> None:
        made = item(shop, f"{serve(said(picture(), Content_Type='image/jpeg'))}/a.jpg")
        errands.fetch_pictures()
        made.refresh_from_db()
        assert made.asset is not None
        url = picture_url(made.asset)
        assert Client().get(url).status_code == 200
        captioned(made.asset, "a walk")
        waiting = item(shop, f"{serve(said(picture(seed=2), Content_Type='image/jpeg'))}/b.jpg", "2")
        shut_account(shop.owner)
        assert Client().get(url).status_code == 404
        assert (errands.fetch_pictures(), errands.call_webhooks()) == (0, 0)
        waiting.refresh_from_db()
        assert (waiting.picture_state, heard) == ("waiting", [])


def test_a_picture_that_its_owner_has_no_room_for_is_refused(shop: Site, serve: Serve, settings: Any) -> None:
    settings.UPLOAD_QUOTA_BYTES = 10
    made = item(shop, f"{serve(said(picture(), Content_Type='image/jpeg'))}/a.jpg")
    errands.fetch_pictures()
    made.refresh_from_db()
    assert (made.picture_state, made.asset) == ("refused", None)
    assert "may take 10 bytes" in made.picture_error
