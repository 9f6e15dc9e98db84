"""Refining a search in a browser: what is wrong in it, filters, counts, suggestions, words beside a picture."""

import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings

from search.models import SearchClick
from tests.e2e.browser import barriers, drop_files, overflow_px, search_box, sign_in, wait_for
from tests.e2e.conftest import OpenPage
from tests.pages import photos
from tests.pages.conftest import Photo
from workers import pipeline

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_mistake_is_marked_under_the_box_and_goes_when_it_is_mended(searchable: Photo, page: Page) -> None:
    searchable("red")
    page.goto("/")
    box = search_box(page)
    box.fill("red colr:blue")
    box.press("Enter")
    marked = page.locator("#query-problem")
    expect(marked.locator("mark")).to_have_text("colr:blue")
    assert barriers(page) == []
    box.fill("red")
    box.press("Enter")
    expect(page.locator(".photo")).to_have_count(1)
    expect(marked).to_be_hidden()


def test_filters_and_counts_lead_to_the_photos_and_are_barrier_free(searchable: Photo, page: Page) -> None:
    red = searchable("red", tags=["sea"])
    searchable("blue")
    sign_in(page)
    page.goto("/?q=picture")
    page.get_by_text("Filters", exact=True).click()
    expect(page.get_by_role("group", name="Tag")).to_contain_text("sea")
    assert barriers(page) == []
    page.get_by_label("Tags").fill("sea")
    page.get_by_role("button", name="Apply filters").click()
    expect(search_box(page)).to_have_value("picture tag:sea")
    expect(page.locator(".photo")).to_have_attribute("data-photo", str(red.pk))
    page.set_viewport_size({"width": 360, "height": 700})
    assert overflow_px(page) <= 0
    page.get_by_role("link", name="Remove tag:sea").click()
    expect(page.locator(".photo")).to_have_count(2)


def test_suggestions_are_chosen_by_keyboard(searchable: Photo, page: Page) -> None:
    searchable("purple")
    searchable("red")
    page.goto("/")
    box = search_box(page)
    box.press_sequentially("a p")
    options = page.get_by_role("listbox", name="Suggestions").get_by_role("option")
    expect(options).to_have_text(["a picture", "a purple"])
    assert barriers(page) == []
    box.press("ArrowDown")
    box.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", "suggestion-1")
    box.press("Enter")
    expect(page.get_by_role("heading", name="Photos for “a purple”")).to_be_visible()
    expect(options).to_have_count(0)
    box.press("End")
    box.press_sequentially(" pic")
    expect(options).to_have_text(["a purple picture"])
    box.press("Escape")
    expect(options).to_have_count(0)
    expect(box).to_have_value("a purple pic")


def test_filters_work_without_javascript(searchable: Photo, open_page: OpenPage) -> None:
    red = searchable("red", tags=["sea"])
    searchable("red")
    plain = open_page(java_script_enabled=False)
    plain.goto("/?q=red")
    plain.get_by_text("Filters", exact=True).click()
    plain.get_by_label("Order").select_option("Newest first")
    plain.get_by_role("button", name="Apply filters").click()
    expect(plain.locator(".photo")).to_have_count(2)
    plain.get_by_text("Filters", exact=True).click()
    plain.get_by_role("link", name="Count by year, tag, type, colour and owner").click()
    plain.get_by_role("link", name="sea").click()
    expect(plain.locator(".photo")).to_have_attribute("data-photo", str(red.pk))
    assert "sort=date" in plain.url


def test_words_are_added_to_a_picture(searchable: Photo, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    from captioning.vision.pixels import square_pixels
    from workers.interactive import encode_pixels

    monkeypatch.setattr(
        pipeline, "encode_query_image", lambda picture: encode_pixels(square_pixels(picture).tobytes())
    )
    searchable("red")
    tagged = searchable("red", tags=["sea"])
    page.goto("/")
    drop_files(page, "main", [("red.png", "image/png", photos.png("red", seed=99).getvalue())])
    expect(page.get_by_role("heading", name="Photos like yours")).to_be_visible()
    words = page.get_by_label("Words to add to the picture")
    words.fill("tag:sea")
    words.press("Enter")
    expect(page.locator(".photo")).to_have_count(1)
    expect(page.locator(".photo")).to_have_attribute("data-photo", str(tagged.pk))


def test_an_opened_result_is_told_where_searches_are_recorded(
    searchable: Photo, page: Page, settings: Settings
) -> None:
    settings.RECORD_SEARCHES = True
    red = searchable("red")
    page.goto("/?q=red")
    page.locator(".photo a").click()
    expect(page).to_have_url(re.compile(rf"/assets/{red.pk}/$"))
    wait_for(page, SearchClick.objects.exists)
    assert SearchClick.objects.get().asset_id == red.pk
