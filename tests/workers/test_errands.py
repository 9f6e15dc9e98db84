"""What the pipeline tells sites of, and what the sweep finds of theirs."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from captioning import review
from captioning.selectors import caption_of
from recommender import picture_fetch, webhooks
from recommender.item_content import checked_content
from recommender.items import attach_upload, delete_item, put_item, put_items, refuse_picture
from recommender.models import Item, Site, WebhookMessage
from recommender.sites import change_site, create_site
from tests.services.web import HERE, Handle, Serve, said
from tests.workers.conftest import png
from tests.workers.words import run_stages
from workers import errands, pipeline
from workers.tasks import items as tasks
from workers.tasks import upkeep

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(alice: User, settings: Any, tmp_path: Path) -> Site:
    settings.OUTBOUND_ALLOWED_NETWORKS = [HERE]
    return change_site(create_site(alice, "shop"), webhook_url="http://127.0.0.1:9/hook")


def told() -> list[tuple[str, str]]:
    messages = WebhookMessage.objects.order_by("pk")
    return [(message.event, message.body["caption"]) for message in messages]


def test_a_picture_by_address_goes_through_the_stages_and_its_site_is_told(shop: Site, serve: Serve) -> None:
    item = put_item(
        shop, "1", checked_content({"title": "x", "image_url": serve(said(png("red").getvalue()))})
    ).item
    assert tasks.run_errands() == 1
    run_stages()
    assert told() == [("caption.ready", "a red picture")]
    item.refresh_from_db()
    assert item.asset is not None
    run_stages()
    assert len(told()) == 1


def test_a_reviewer_s_decision_is_told_with_it(shop: Site, serve: Serve, alice: User) -> None:
    item = put_item(
        shop, "1", checked_content({"title": "x", "image_url": serve(said(png("red").getvalue()))})
    ).item
    errands.fetch_pictures()
    run_stages()
    item.refresh_from_db()
    assert item.asset is not None
    caption = caption_of(item.asset.frames.get())
    assert caption is not None
    type(caption).objects.filter(pk=caption.pk).update(state="to_review")

    def decide() -> Any:
        return review.decide(alice, caption.pk, "edit", shown=caption.text, text="a scarlet picture")

    pipeline.followed_at_once(decide)
    assert told() == [("caption.ready", "a red picture"), ("caption.corrected", "a scarlet picture")]


def test_the_sweep_finds_what_no_message_told_of(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[str] = []
    monkeypatch.setattr(pipeline, "wake_items", lambda: woken.append("items"))
    monkeypatch.setattr(pipeline, "wake_errands", lambda: woken.append("errands"))
    upkeep.sweep()
    assert woken == []
    put_items(shop, {"1": checked_content({"title": "x", "image_url": "http://127.0.0.1:9/a.jpg"})})
    upkeep.sweep()
    assert woken == ["items", "errands"]
    assert tasks.items() == 1
    Item.objects.update(picture_state="none")
    woken.clear()
    upkeep.sweep()
    assert woken == []


class TestOneOfSeveralGoesWrong:
    """Errors that nobody foresaw concern the item or message that they happened to."""

    def test_a_picture_whose_fetch_breaks_is_tried_again_and_the_others_are_kept(
        self, shop: Site, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fetched, bad, good = picture_fetch.fetched, item(shop, serve, "bad"), item(shop, serve, "good")

        def breaking(claimed: Item) -> picture_fetch.Fetched:
            if claimed.pk == bad.pk:
                raise KeyError("a bug")
            return fetched(claimed)

        monkeypatch.setattr(picture_fetch, "fetched", breaking)
        for attempt in range(1, picture_fetch.MAX_ATTEMPTS + 1):
            errands.fetch_pictures()
            bad.refresh_from_db()
            assert bad.picture_attempts == attempt
            Item.objects.filter(pk=bad.pk, picture_state="waiting").update(picture_due_at=timezone.now())
        good.refresh_from_db()
        assert (good.picture_state, bad.picture_state) == ("ready", "refused")
        assert "an error of ours" in bad.picture_error

    def test_nor_does_one_that_can_t_be_kept_hold_up_the_others(
        self, shop: Site, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, good = item(shop, serve, "bad"), item(shop, serve, "good")

        def breaking(to: Item, upload: Any) -> None:
            if to.pk == bad.pk:
                raise KeyError("a bug")
            attach_upload(to, upload)

        monkeypatch.setattr(picture_fetch, "attach_upload", breaking)
        assert errands.fetch_pictures() == 2
        for one in (bad, good):
            one.refresh_from_db()
        assert (good.picture_state, bad.picture_state) == ("ready", "waiting")
        assert bad.picture_due_at is not None
        assert bad.picture_due_at < timezone.now() + timedelta(minutes=1), "not only when the lease ends"

    def test_where_the_failure_can_t_be_noted_the_others_are_settled(
        self, shop: Site, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def breaking(*_: Any) -> None:
            raise KeyError("a bug")

        item(shop, serve, "bad")
        monkeypatch.setattr(picture_fetch, "fetched", breaking)
        monkeypatch.setattr(picture_fetch, "failed", breaking)
        assert errands.fetch_pictures() == 1

    def test_a_message_that_breaks_is_tried_again_and_the_others_arrive(
        self, shop: Site, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        change_site(shop, webhook_url=serve(said()))
        sent = webhooks.sent
        for name in ("bad", "good"):
            webhooks.note_refusal(item(Site.objects.get(), serve, name))

        def breaking(message: WebhookMessage) -> webhooks.Sent:
            if message.body["external_id"] == "bad":
                raise KeyError("a bug")
            return sent(message)

        monkeypatch.setattr(webhooks, "sent", breaking)
        assert errands.call_webhooks() == 2
        bad, good = WebhookMessage.objects.order_by("pk")
        assert (bad.state, good.state) == ("waiting", "delivered")
        assert bad.due_at is not None
        assert bad.due_at < timezone.now() + timedelta(minutes=1), "not only when the lease ends"

    def test_sites_are_told_though_no_picture_can_be_fetched(
        self, shop: Site, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        change_site(shop, webhook_url=serve(said()))
        webhooks.note_refusal(item(Site.objects.get(), serve, "1"))

        def breaking(_: int) -> list[Item]:
            raise KeyError("a bug")

        monkeypatch.setattr(picture_fetch, "claim", breaking)
        with pytest.raises(KeyError):
            tasks.run_errands()
        assert WebhookMessage.objects.get().state == "delivered"


class TestDeletedInFlight:
    """What is deleted while somebody else's server is asked stays deleted, and is no error."""

    @pytest.mark.parametrize(
        "answer", [said(), said(status=404), said(status=503)], ids=["bad", "no", "away"]
    )
    def test_an_item(
        self, shop: Site, serve: Serve, answer: Handle, caplog: pytest.LogCaptureFixture
    ) -> None:
        def deleting(asked: BaseHTTPRequestHandler) -> None:
            delete_item(shop, "1")
            connection.close()  # this thread's own
            answer(asked)

        put_items(shop, {"1": checked_content({"title": "x", "image_url": serve(deleting)})})
        assert errands.fetch_pictures() == 1
        assert not Item.objects.exists()
        assert not WebhookMessage.objects.exists()
        assert not caplog.records

    def test_a_message(self, shop: Site, serve: Serve) -> None:
        webhooks.note_refusal(item(shop, serve, "1"))
        (message,) = webhooks.claim(5)
        shop.delete()
        webhooks.settle(webhooks.Sent(message))
        assert not WebhookMessage.objects.exists()

    def test_an_item_of_several_with_a_picture_whose_caption_is_told(
        self, shop: Site, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept, gone = (item(shop, serve, name) for name in "12")
        errands.fetch_pictures()
        run_stages()
        kept.refresh_from_db()
        assert kept.asset_id is not None
        WebhookMessage.objects.all().delete()
        last_told = webhooks._last_told

        def told_before_one_goes(items: Sequence[Item]) -> dict[int, str]:
            def delete() -> None:
                gone.delete()
                connection.close()

            if gone.pk:
                beside = Thread(target=delete)
                beside.start()
                beside.join()
            return last_told(items)

        monkeypatch.setattr(webhooks, "_last_told", told_before_one_goes)
        # In SQLite nobody deletes beside a transaction that writes.
        with transaction.atomic() if connection.vendor == "postgresql" else nullcontext():
            assert webhooks.note_captions([kept.asset_id]) == 1
        assert WebhookMessage.objects.get().item == kept

    def test_an_item_whose_picture_was_sent_with_it(self, shop: Site, serve: Serve) -> None:
        gone = item(shop, serve, "1")
        delete_item(shop, "1")
        refuse_picture(gone, "not a picture")
        assert not Item.objects.exists()

    def test_an_item_that_is_sent_again(
        self, shop: Site, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refuse_picture(item(shop, serve, "1"), "not a picture")
        (again,) = Item.objects.all()
        content = checked_content({"title": "x", "image_url": again.image_url})
        monkeypatch.setattr("recommender.items.mark_outdated", lambda _: Item.objects.all().delete())
        assert put_items(shop, {"1": content}) == {"1": "unchanged"}
        assert not Item.objects.exists()


def item(of: Site, serve: Serve, name: str) -> Item:
    """With the address of a good picture."""
    address = serve(said(png("red", seed=len(name)).getvalue()))
    return put_item(of, name, checked_content({"title": "x", "image_url": address})).item
