"""Finding photos in a browser: by words, by a picture, by what is related, with keys alone."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import drop_files, search_box, sign_in
from tests.e2e.conftest import OpenPage
from tests.pages import photos
from tests.pages.conftest import Photo

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def search(page: Page, words: str) -> None:
    search_box(page).fill(words)
    search_box(page).press("Enter")
    expect(page.get_by_role("heading", name=f"Photos for “{words}”")).to_be_visible()


def first_photo(page: Page) -> str | None:
    return page.locator(".photo").first.get_attribute("data-photo")


def test_words_find_a_photo_and_its_page_shows_related_ones(searchable: Photo, page: Page) -> None:
    red, blue = searchable("red", title="Poppies"), searchable("blue")
    page.goto("/")
    search(page, "a red picture")
    assert first_photo(page) == str(red.pk)
    assert "q=a+red+picture" in page.url or "q=a%20red%20picture" in page.url

    page.locator(f"[data-photo='{red.pk}'] a").click()
    expect(page.get_by_role("heading", name="Poppies")).to_be_visible()
    expect(page.get_by_role("img", name="A red picture").first).to_be_visible()
    related = page.locator("#related-photos .photo")
    expect(related.first).to_have_attribute("data-photo", str(blue.pk))

    page.go_back()
    expect(search_box(page)).to_have_value("a red picture")


def test_back_returns_to_the_search_before(searchable: Photo, page: Page) -> None:
    searchable("red")
    searchable("blue")
    page.goto("/")
    search(page, "red")
    search(page, "blue")
    page.go_back()
    expect(page.get_by_role("heading", name="Photos for “red”")).to_be_visible()
    expect(search_box(page)).to_have_value("red")


def test_why_a_photo_matched_appears_for_the_mouse_and_for_the_keyboard(
    searchable: Photo, page: Page
) -> None:
    searchable("red")
    page.goto("/?q=red")
    why = page.locator(".why").first
    expect(why).to_have_css("opacity", "0")
    page.locator(".photo").first.hover()
    expect(why).to_have_css("opacity", "1")
    page.mouse.move(0, 0)
    expect(why).to_have_css("opacity", "0")
    page.locator(".photo a").first.focus()
    expect(why).to_have_css("opacity", "1")
    assert re.search(r"Look \d+%", why.inner_text().replace("\n", " "))


def test_fingers_see_the_reasons_without_hovering(searchable: Photo, open_page: OpenPage) -> None:
    searchable("red")
    phone = open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    phone.goto("/?q=red")
    expect(phone.locator(".why").first).to_have_css("opacity", "1")


def test_more_photos_come_while_one_scrolls_without_moving_what_is_seen(
    photo: Photo, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.pages.paging.PAGE_SIZE", 12)
    made = [str(photo("red").pk) for _ in range(30)]
    page.set_viewport_size({"width": 900, "height": 500})
    page.goto("/")
    expect(page.locator(".photo")).to_have_count(12)
    while page.locator(".photo").count() < 30:
        seen = page.locator(".photo").count()
        page.locator(".more").scroll_into_view_if_needed()
        page.wait_for_function("count => document.querySelectorAll('.photo').length > count", arg=seen)
    shown = page.locator(".photo").evaluate_all("photos => photos.map(photo => photo.dataset.photo)")
    assert shown == made[::-1]
    expect(page.locator(".more")).to_have_count(0)


def test_nothing_shifts_while_pictures_load(searchable: Photo, page: Page) -> None:
    for colour in ("red", "blue", "green", "yellow"):
        searchable(colour, size=(200, 120))
    page.route("**/media/**", lambda route: route.abort())
    page.goto("/")
    without = page.locator(".photo").evaluate_all(
        "photos => photos.map(photo => photo.getBoundingClientRect().toJSON())"
    )
    page.unroute("**/media/**")
    page.reload(wait_until="networkidle")
    loaded = page.locator(".photo").evaluate_all(
        "photos => photos.map(photo => photo.getBoundingClientRect().toJSON())"
    )
    assert loaded == without


def test_rows_keep_the_shape_of_each_photo(photo: Photo, page: Page) -> None:
    wide, tall = photo("red", size=(300, 150)), photo("blue", size=(120, 180))
    page.goto("/")
    for asset, ratio in ((wide, 2.0), (tall, 2 / 3)):
        box = page.locator(f"[data-photo='{asset.pk}'] .photo-frame").bounding_box()
        assert box
        assert box["width"] / box["height"] == pytest.approx(ratio, rel=0.03)


@pytest.mark.usefixtures("in_process_encoder")
def test_a_picture_dropped_on_the_page_finds_photos_like_it(searchable: Photo, page: Page) -> None:
    searchable("red")
    blue = searchable("blue")
    page.goto("/")
    drop_files(page, "main", [("sky.png", "image/png", photos.png("blue", seed=99).getvalue())])
    expect(page.get_by_role("heading", name="Photos like yours")).to_be_visible()
    assert first_photo(page) == str(blue.pk)
    expect(page.get_by_alt_text("The picture you search with")).to_be_visible()


@pytest.mark.usefixtures("in_process_encoder")
def test_a_picture_can_be_chosen_and_the_next_ones_come_too(
    searchable: Photo, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.pages.home.PAGE_SIZE", 2)
    for _ in range(3):
        searchable("red")
    page.goto("/")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Search with a picture").click()
    chooser.value.set_files(
        {"name": "r.png", "mimeType": "image/png", "buffer": photos.png("red", seed=9).getvalue()}
    )
    expect(page.get_by_role("heading", name="Photos like yours")).to_be_visible()
    page.locator(".more").scroll_into_view_if_needed()
    expect(page.locator(".photo")).to_have_count(3)


def test_a_file_that_is_no_picture_is_said_in_place_of_results(searchable: Photo, page: Page) -> None:
    searchable("red")
    page.goto("/")
    drop_files(page, "main", [("words.png", "image/png", b"only words")])
    expect(page.get_by_role("alert")).to_contain_text("That can’t be searched")


def test_an_engine_that_is_away_is_said_and_asked_again(
    searchable: Photo, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.errors import EngineUnavailable

    searchable("red")

    def away(*args: object, **kwargs: object) -> None:
        raise EngineUnavailable("The index can't answer right now.")

    page.goto("/")
    with monkeypatch.context() as broken:
        broken.setattr("config.pages.home.search_text", away)
        search_box(page).fill("red")
        search_box(page).press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("answer right now")
        expect(page.get_by_role("status")).to_have_text("Search is away for a moment")
    page.get_by_role("link", name="Try again").click()
    expect(page.locator(".photo")).to_have_count(1)


def test_what_can_not_be_shown_in_place_is_shown_the_plain_way(searchable: Photo, page: Page) -> None:
    red = searchable("red")
    sign_in(page)
    page.goto(f"/assets/{red.pk}/")
    red.delete()
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()


def test_keys_alone_reach_a_photo(searchable: Photo, page: Page) -> None:
    red = searchable("red")
    page.goto(f"/assets/{red.pk}/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    expect(search_box(page)).to_be_focused()
    page.keyboard.type("a/red picture")
    expect(search_box(page)).to_have_value("a/red picture")
    page.keyboard.press("Enter")
    expect(page.locator(".photo")).to_have_count(1)
    search_box(page).focus()
    for _ in range(6):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.photo') !== null"):
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "focus can be seen"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/assets/{red.pk}/$"))


def test_it_works_without_javascript(searchable: Photo, open_page: OpenPage) -> None:
    red, second = searchable("red"), searchable("red")
    plain = open_page(java_script_enabled=False)
    plain.goto("/")
    search_box(plain).fill("red picture")
    search_box(plain).press("Enter")
    expect(plain.locator(".photo")).to_have_count(2)
    plain.locator(f"[data-photo='{red.pk}'] a").click()
    plain.get_by_role("link", name="Show related photos").click()
    expect(plain.locator(".photo")).to_have_attribute("data-photo", str(second.pk))


def test_only_mine_narrows_a_search(searchable: Photo, page: Page, charlie: object) -> None:
    own = searchable("red")
    searchable("red", owner=charlie)
    sign_in(page)
    search(page, "red")
    expect(page.locator(".photo")).to_have_count(2)
    page.get_by_role("link", name="Only mine").click()
    expect(page.locator(".photo")).to_have_count(1)
    assert first_photo(page) == str(own.pk)
