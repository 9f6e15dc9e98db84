"""Every page by what people need of it: axe-core in light and dark, a phone's width, room for a thumb."""

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.e2e.browser import PHONE, barriers, overflow_px, sign_in, too_low_controls
from tests.e2e.conftest import OpenPage
from tests.pages import photos
from tests.pages.conftest import Photo

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

OPEN_PAGES = (
    "/",
    "/?q=red",
    "/?q=%00",
    "/account/login/",
    "/account/register/",
    "/assets/1/",
    "/assets/1/related/",
)
OWN_PAGES = (
    "/library/",
    "/library/select/",
    "/upload/",
    "/review/",
    "/account/keys/",
    "/account/password/",
    "/account/close/",
    "/account/captions/",
    "/account/photos/",
    "/assets/{}/",
    "/assets/{}/edit/",
    "/assets/{}/delete/",
)


@pytest.fixture
def first(searchable: Photo, photo: Photo) -> int:
    """Id of a described photo with long words; a second that is described, a third that is not, and a wide one."""
    endless = "Donaudampfschifffahrtsgesellschaftskapitaen" * 3
    described = searchable(
        "red", title=endless, description=endless, tags=["field", endless[:64]], name=f"{endless}.png"
    )
    searchable("red", visibility="private")
    photo("blue", size=(640, 90))
    return described.pk


def every_page(page: Page, first: int) -> list[str]:
    sign_in(page)
    return [address.replace("/1/", f"/{first}/") for address in OPEN_PAGES] + [
        a.format(first) for a in OWN_PAGES
    ]


def use(page: Page, address: str) -> None:
    """Brings out what a page shows only in use."""
    page.goto(address, wait_until="networkidle")
    if address == "/upload/":
        wrong: FilePayload = {"name": "words.jpg", "mimeType": "image/jpeg", "buffer": b"only words"}
        right: FilePayload = {
            "name": "a" * 120 + ".png",
            "mimeType": "image/png",
            "buffer": photos.png("green").getvalue(),
        }
        page.get_by_label("Choose photos").set_input_files([wrong, right])
        expect(page.locator(".file.failed")).to_have_count(1)
        expect(page.locator(".file.added")).to_have_count(1)
    if address == "/account/keys/":
        page.get_by_label("Name").fill("a key with quite a long name that has to go somewhere")
        page.get_by_role("button", name="Make key").click()
        expect(page.locator("#secret")).to_be_visible()
    if address == "/account/password/":
        page.get_by_role("button", name="Change password").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_barrier_that_axe_knows(open_page: OpenPage, first: int, scheme: str) -> None:
    page = open_page(color_scheme=scheme, reduced_motion="reduce")
    found = {}
    for address in every_page(page, first):
        use(page, address)
        found[address] = barriers(page)
    page.goto(f"/assets/{first}/")
    page.get_by_label("Account of alice").click()
    found["menu"] = barriers(page)
    page.get_by_label("Account of alice").click()
    page.get_by_role("link", name="Delete").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    found["dialog"] = barriers(page)
    assert {address: said for address, said in found.items() if said} == {}


def test_axe_would_notice_a_barrier(page: Page, transactional_db: None) -> None:
    page.goto("/")
    page.evaluate("document.querySelector('[data-search-box]').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('[data-search-box]').removeAttribute('placeholder')")
    assert any(said.startswith("label") for said in barriers(page))


def test_every_page_fits_a_phone_and_a_thumb(open_page: OpenPage, first: int) -> None:
    phone = open_page(**PHONE)
    wider, small = {}, []
    for address in every_page(phone, first):
        use(phone, address)
        wider[address] = overflow_px(phone)
        small += [(address, *control) for control in too_low_controls(phone)]
    assert {address: px for address, px in wider.items() if px > 0} == {}
    assert small == []
