"""Reviewing captions in a browser: by keys alone, two reviewers at once, without JavaScript, on a phone."""

import pytest
from django.contrib.auth.models import Permission, User
from playwright.sync_api import Page, Route, expect

from captioning.models import Caption, ReviewDecision
from library.models import Asset
from tests.e2e.browser import PHONE, barriers, overflow_px, sign_in, too_low_controls, wait_for
from tests.e2e.conftest import OpenPage
from tests.pages.conftest import Photo
from tests.pages.photos import describe_all

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
COLOURS = ("red", "blue", "green", "yellow", "purple")
ALTERNATIVES = ["poppies behind the house", "a wall in the evening sun"]


@pytest.fixture
def queue(photo: Photo) -> list[Asset]:
    """Photos whose captions wait, in the order in which they come."""
    assets = [photo(colour) for colour in COLOURS]
    describe_all()
    for at, asset in enumerate(assets):
        Caption.objects.filter(frame__asset=asset).update(
            state="to_review",
            review_priority=1 - at / 10,
            doubts=["confidence", "match"],
            alternatives=ALTERNATIVES,
        )
    return assets


@pytest.fixture
def reviewing(page: Page, queue: list[Asset]) -> Page:
    return begun(page)


def begun(page: Page) -> Page:
    """Signed in, and at the first photo."""
    sign_in(page)
    page.get_by_label("Account of alice").click()
    page.get_by_role("link", name="Review captions 5 waiting").click()
    page.wait_for_url("**/review/")  # with its script, which listens to the keys
    expect_caption(page, "a red picture")
    return page


def expect_caption(page: Page, text: str) -> None:
    expect(page.get_by_role("textbox", name="Caption")).to_have_value(text)


def expect_progress(page: Page, text: str) -> None:
    """Waits for the answer to what was decided."""
    expect(page.locator("[data-progress]")).to_contain_text(text)


def states() -> list[str]:
    return list(Caption.objects.filter(source="model").order_by("pk").values_list("state", flat=True))


def test_a_whole_sitting_by_keys_alone(reviewing: Page, queue: list[Asset]) -> None:
    keys = reviewing.keyboard
    keys.press("a")
    expect_caption(reviewing, "a blue picture")
    expect_progress(reviewing, "4 left · 1 decided today")
    keys.press("2")
    expect_caption(reviewing, "a green picture")
    expect_progress(reviewing, "3 left")
    keys.press("e")
    expect(reviewing.get_by_role("textbox", name="Caption")).to_be_focused()
    keys.press("ControlOrMeta+a")
    keys.type("ears of a rabbit in the grass")
    expect(reviewing.get_by_role("button", name="Save")).to_be_visible()
    keys.press("Control+Enter")
    expect_caption(reviewing, "a yellow picture")
    expect_progress(reviewing, "2 left")
    keys.press("r")
    expect_caption(reviewing, "a purple picture")
    expect_progress(reviewing, "1 left")
    keys.press("s")
    expect(reviewing.get_by_role("heading", name="Nothing is waiting for you")).to_be_visible()
    assert states() == ["accepted", "edited", "edited", "rejected", "to_review"]

    keys.press("u")
    expect_caption(reviewing, "a purple picture")
    expect(reviewing.get_by_role("status").first).to_have_text("Undone.")
    keys.press("u")
    expect_caption(reviewing, "a yellow picture")
    keys.press("Enter")
    expect_caption(reviewing, "a purple picture")
    expect_progress(reviewing, "1 left · 4 decided today")
    assert states() == ["accepted", "edited", "edited", "accepted", "to_review"]
    written = Caption.objects.filter(source="human").order_by("pk").values_list("text", flat=True)
    assert list(written) == [ALTERNATIVES[1], "ears of a rabbit in the grass"]
    assert list(ReviewDecision.objects.order_by("pk").values_list("kind", flat=True)) == [
        *("accept", "edit", "edit", "reject", "skip"),
        *("undo", "undo", "accept"),
    ]


def test_the_next_photo_is_there_before_the_server_has_answered(page: Page, queue: list[Asset]) -> None:
    held: list[Route] = []
    # Before the page is there: one that is does not always let its very next request be held.
    page.route("**/review/*/", lambda route: route.continue_() if held else held.append(route))
    reviewing = begun(page)
    seen = reviewing.locator("[data-card]").nth(1).locator(".stage-image")
    expect(seen).to_have_js_property("complete", True)
    assert seen.evaluate("image => image.naturalWidth > 0"), "its picture is loaded, too"
    reviewing.keyboard.press("a")
    expect_caption(reviewing, "a blue picture")
    reviewing.keyboard.press("s")
    expect(reviewing.get_by_text("Fetching the next photo…")).to_be_visible()
    wait_for(reviewing, lambda: bool(held))
    assert states()[0] == "to_review", "the decision is still on its way"
    assert not ReviewDecision.objects.exists(), "and the second waits for it"
    held[0].continue_()
    expect_caption(reviewing, "a green picture")
    expect_progress(reviewing, "3 left")
    assert states()[0] == "accepted"


def test_keys_do_nothing_while_somebody_types(reviewing: Page) -> None:
    keys = reviewing.keyboard
    keys.press("e")
    keys.type(" ares u? 1")
    keys.press("Enter")
    expect_caption(reviewing, "a red picture ares u? 1\n")
    keys.press("Escape")
    expect_caption(reviewing, "a red picture")
    expect(reviewing.get_by_role("button", name="Accept")).to_be_visible()
    keys.press("?")
    expect(reviewing.get_by_role("dialog", name="Keys")).to_be_visible()
    keys.press("r")
    keys.press("Escape")
    expect(reviewing.get_by_role("dialog", name="Keys")).to_be_hidden()
    reviewing.get_by_role("button", name="Reject").focus()
    keys.press("Shift+Tab")
    keys.press("Enter")
    expect(reviewing.get_by_role("textbox", name="Caption")).to_be_focused()
    assert states() == ["to_review"] * 5


def test_words_are_not_lost_when_the_decision_can_not_be_made(reviewing: Page) -> None:
    keys = reviewing.keyboard
    reviewing.route("**/review/*/", lambda route: route.abort())
    keys.press("e")
    keys.press("ControlOrMeta+a")
    keys.type("poppies")
    keys.press("Control+Enter")
    expect(reviewing.get_by_role("alert")).to_contain_text("this was not decided")
    expect_caption(reviewing, "poppies")
    reviewing.unroute("**/review/*/")
    Caption.objects.filter(text="a red picture").update(text="a red wall")
    reviewing.get_by_role("button", name="Save").click()
    expect(reviewing.get_by_role("alert")).to_contain_text(
        "described this photo anew meanwhile: “a red wall”"
    )
    expect_caption(reviewing, "poppies")
    reviewing.get_by_role("button", name="Accept").click()
    expect_caption(reviewing, "a blue picture")
    expect(reviewing.get_by_role("alert")).to_have_count(0)
    expect_progress(reviewing, "4 left")
    assert Caption.objects.get(source="human").text == "poppies"


def test_two_reviewers_never_get_the_same_photo(
    reviewing: Page, open_page: OpenPage, charlie: User, queue: list[Asset]
) -> None:
    charlie.user_permissions.add(Permission.objects.get(codename="review_caption"))
    other = open_page()
    sign_in(other, "charlie")
    other.goto("/review/")
    expect_caption(other, "a green picture")
    reviewing.keyboard.press("a")
    expect_caption(reviewing, "a blue picture")
    expect_progress(reviewing, "4 left")
    other.keyboard.press("a")
    expect_caption(other, "a yellow picture")
    expect_progress(other, "3 left")
    reviewing.keyboard.press("a")
    expect_caption(reviewing, "a purple picture")
    other.keyboard.press("a")
    expect(other.get_by_role("heading", name="Nothing is waiting for you")).to_be_visible()


def test_a_rejected_caption_is_not_found_any_more(reviewing: Page, queue: list[Asset]) -> None:
    reviewing.keyboard.press("r")
    expect_progress(reviewing, "4 left")
    reviewing.goto("/?q=a+red+picture")
    found = reviewing.locator(f"[data-photo='{queue[0].pk}']")
    expect(found).not_to_contain_text("A red picture")
    expect(found.locator(".why")).to_contain_text("Look")
    expect(found.locator(".why")).not_to_contain_text("Words")
    reviewing.goto(f"/assets/{queue[0].pk}/")
    expect(reviewing.get_by_role("heading", name="No caption")).to_be_visible()


def test_it_works_without_javascript(open_page: OpenPage, queue: list[Asset]) -> None:
    plain = open_page(java_script_enabled=False)
    sign_in(plain)
    plain.goto("/review/")
    expect_caption(plain, "a red picture")
    expect(plain.get_by_role("button", name="Edit")).to_have_count(0)
    plain.get_by_role("textbox", name="Caption").fill("poppies")
    plain.get_by_role("button", name="Accept").click()
    expect_caption(plain, "a blue picture")
    plain.get_by_role("button", name=ALTERNATIVES[0]).click()
    expect_caption(plain, "a green picture")
    plain.get_by_role("button", name="Reject").click()
    plain.get_by_role("button", name="Skip").click()
    expect_caption(plain, "a purple picture")
    plain.get_by_role("button", name="Undo").click()
    expect_caption(plain, "a yellow picture")
    assert states() == ["edited", "edited", "rejected", "to_review", "to_review"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_no_barrier_that_axe_knows(open_page: OpenPage, queue: list[Asset], scheme: str) -> None:
    page = open_page(color_scheme=scheme, reduced_motion="reduce")
    sign_in(page)
    page.goto("/review/", wait_until="networkidle")
    found = {"page": barriers(page)}
    page.keyboard.press("?")
    found["keys"] = barriers(page)
    page.keyboard.press("Escape")
    Caption.objects.filter(text="a red picture").update(text="a red wall")
    page.keyboard.press("a")
    expect(page.get_by_role("alert")).to_be_visible()
    found["refusal"] = barriers(page)
    Caption.objects.update(state="draft")
    page.goto("/review/")
    found["empty"] = barriers(page)
    assert {place: said for place, said in found.items() if said} == {}


def test_it_fits_a_phone_and_a_thumb(open_page: OpenPage, queue: list[Asset]) -> None:
    Caption.objects.update(text="Donaudampfschifffahrtsgesellschaftskapitaen" * 5)
    phone = open_page(**PHONE)
    sign_in(phone)
    phone.goto("/review/", wait_until="networkidle")
    assert overflow_px(phone) <= 0
    assert too_low_controls(phone) == []
    accept = phone.get_by_role("button", name="Accept")
    accept.scroll_into_view_if_needed()
    accept.tap()
    expect_progress(phone, "4 left")
