"""An admin follows a captioner through its life in a browser: promoted, run over old photos, taken back."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from captioning.models import Caption, Promotion
from captioning.recaptioning import Selection
from library.models import Asset
from tests.captioning.checkpoints import MakeVersion, registered, shipped  # noqa: F401 - fixtures
from tests.e2e.browser import sign_in
from tests.pages import photos
from tests.pages.conftest import Photo
from workers import pipeline
from workers.models import Job, RecaptionRun
from workers.tasks import upkeep

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

VERSIONS = "/admin/captioning/captionerversion/"
RUNS = "/admin/workers/recaptionrun/"


@pytest.fixture
def root(transactional_db: None) -> User:
    return User.objects.create_superuser("root", password=photos.PASSWORD)


@pytest.fixture
def red(shipped: str, photo: Photo) -> Asset:  # noqa: F811
    """Alice's photo, captioned by the version that ships."""
    asset = photo("red")
    photos.describe_all()
    return asset


def apply(page: Page, row: str, action: str) -> None:
    """What the admin's list offers for the ticked rows."""
    page.get_by_role("row", name=row).get_by_role("checkbox").check()
    page.get_by_label("Action:").select_option(label=action)
    page.get_by_role("button", name="Go", exact=True).click()


def work() -> None:
    """What the workers do, here and now."""
    upkeep.run_jobs()
    photos.describe_all()
    upkeep.sweep()


def test_a_version_is_promoted_run_over_old_photos_and_taken_back(
    page: Page,
    root: User,
    red: Asset,
    registered: MakeVersion,  # noqa: F811
    shipped: str,  # noqa: F811
) -> None:
    elm = registered("elm", cider=0.625)
    sign_in(page, "root")
    page.goto(f"/assets/{red.pk}/")
    expect(page.get_by_role("heading", name="A red picture, said by oak")).to_be_visible()

    page.goto(VERSIONS)
    apply(page, elm.model_id, "Promote: caption new photos by this version")
    expect(page.get_by_text(f"{elm.model_id} captions new photos from now on.")).to_be_visible()
    work()
    page.goto(f"/assets/{red.pk}/")
    expect(page.get_by_role("heading", name="A red picture, said by oak")).to_be_visible()

    page.goto(VERSIONS)
    page.get_by_role("link", name="Caption photos again").click()
    page.get_by_role("link", name="Caption photos again").click()
    page.get_by_role("button", name="Show the cost").click()
    expect(page.locator("#cost")).to_contain_text("all frames: 1 photos at 4.00 photos/s")
    assert not RecaptionRun.objects.exists()
    page.get_by_role("button", name="Start").click()
    row = elm.model_id
    expect(page.get_by_role("row", name=row)).to_contain_text("Waiting")
    for action, state in (("Pause", "Paused"), ("Resume", "Waiting")):
        apply(page, row, action)
        expect(page.get_by_role("row", name=row)).to_contain_text(state)
    work()
    page.goto(RUNS)
    expect(page.get_by_role("row", name=row)).to_contain_text("Done")
    page.goto(f"/assets/{red.pk}/")
    expect(page.get_by_role("heading", name="A red picture, said by elm")).to_be_visible()

    page.goto(VERSIONS)
    page.get_by_role("button", name=f"Roll back to {shipped}").click()
    expect(page.get_by_text(f"{shipped} is active again.")).to_be_visible()
    work()
    page.goto(f"/assets/{red.pk}/")
    expect(page.get_by_role("heading", name="A red picture, said by oak")).to_be_visible()


def test_a_worse_version_is_asked_about_and_a_run_can_be_ended(
    page: Page,
    root: User,
    red: Asset,
    registered: MakeVersion,  # noqa: F811
) -> None:
    fir = registered("fir", cider=0.125)
    sign_in(page, "root")
    page.goto(VERSIONS)
    apply(page, fir.model_id, "Promote: caption new photos by this version")
    expect(page.get_by_text("would fall from 0.500")).to_be_visible()
    page.get_by_role("link", name="Keep the active one").click()
    assert not Promotion.objects.exists()
    apply(page, fir.model_id, "Promote: caption new photos by this version")
    page.get_by_role("button", name="Promote it all the same").click()
    expect(page.get_by_text(f"{fir.model_id} captions new photos from now on.")).to_be_visible()
    assert Promotion.objects.get().forced

    page.goto(f"{RUNS}start/")
    page.get_by_role("button", name="Show the cost").click()
    page.get_by_role("button", name="Start").click()
    apply(page, fir.model_id, "Cancel for good")
    expect(page.get_by_role("row", name=fir.model_id)).to_contain_text("Cancelled")
    run = RecaptionRun.objects.get()
    assert Selection.from_json(run.selection) == Selection()
    assert Job.objects.get(pk=run.job_id).state == "cancelled"
    work()
    page.goto(f"/assets/{red.pk}/")
    expect(page.get_by_role("heading", name="A red picture, said by oak")).to_be_visible()


def test_learning_from_reviews_is_asked_for_and_what_comes_out_is_offered(
    page: Page,
    root: User,
    red: Asset,
    registered: MakeVersion,  # noqa: F811
    settings: Any,
    tmp_path: Path,
) -> None:
    """tests/workers lets a real worker learn; here is what an admin sees of it."""
    settings.LEARN_AGAIN_DATASET = str(tmp_path / "base")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "captions.csv").write_text("image,split,caption\n", encoding="utf-8")
    sign_in(page, "root")
    page.goto(VERSIONS)
    page.get_by_role("button", name="Learn from reviews").click()
    expect(page.get_by_text("No caption of a public photo was accepted")).to_be_visible()
    Caption.objects.filter(frame__asset=red).update(state="accepted")
    page.get_by_role("button", name="Learn from reviews").click()
    expect(page.get_by_text("learn from reviews, is under way.")).to_be_visible()
    assert Job.objects.get(kind="learn_again").requested_by == root

    elm = registered("elm", cider=0.625)
    elm.metrics |= {"learned_from": {"captioner": "oak", "cider": 0.5}}
    elm.note = "learned from 1 reviews"
    elm.save()
    page.goto(VERSIONS)
    expect(page.get_by_role("row", name=elm.model_id)).to_contain_text("CIDEr on dev 0.625, 0.500 before")
    page.goto("/admin/workers/job/")
    apply(page, "learn from reviews", "Cancel for good")
    expect(page.get_by_role("row", name="learn from reviews")).to_contain_text("Cancelled")


@pytest.mark.parametrize("address", ["/admin/workers/job/", RUNS])
def test_a_list_of_what_is_at_work_reloads_itself_but_not_under_ticked_rows(
    page: Page, root: User, red: Asset, address: str
) -> None:
    pipeline.start_recaption(Selection(again=True))
    sign_in(page, "root")
    page.clock.install()
    page.goto(address)
    row = page.locator("#result_list").get_by_role("checkbox").last
    row.check()
    page.clock.run_for(60_000)
    expect(row).to_be_checked()
    row.uncheck()
    with page.expect_navigation():
        page.clock.run_for(60_000)
