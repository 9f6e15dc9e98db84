"""What the pipeline tells sites of, and what the sweep finds of theirs."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from captioning import review
from captioning.selectors import caption_of
from recommender.item_content import checked_content
from recommender.items import put_item, put_items
from recommender.models import Item, Site, WebhookMessage
from recommender.sites import change_site, create_site
from tests.services.web import HERE, Serve, said
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
