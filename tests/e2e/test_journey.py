"""One visitor's whole way through the running stack: real Redis, real workers, real web server."""

import uuid

import pytest
from playwright.sync_api import FilePayload, expect

from tests.e2e.browser import drop_files
from tests.e2e.conftest import OpenPage
from tests.pages import photos
from tests.services.embedded import EmbeddedStack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]  # the stack that it uses may be started for it
_WORKERS_MS = 90_000


def test_a_visitor_signs_up_uploads_and_finds_the_photo_by_words_and_by_a_picture(
    stack: EmbeddedStack, open_site: OpenPage
) -> None:
    page = open_site(stack.url)
    name = f"visitor-{uuid.uuid4().hex[:8]}"
    page.goto("/account/register/?next=/upload/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=True).fill(photos.PASSWORD)
    page.get_by_label("Password confirmation").fill(photos.PASSWORD)
    page.get_by_role("button", name="Make account").click()

    content = photos.png("purple", seed=7).getvalue()
    file: FilePayload = {"name": "plum.png", "mimeType": "image/png", "buffer": content}
    page.get_by_label("Choose photos").set_input_files([file])
    page.get_by_role("link", name="Open").click()
    heading = page.get_by_role("heading", name="A purple picture")
    expect(heading).to_be_visible(timeout=_WORKERS_MS)
    expect(page.get_by_role("heading", name="Being prepared")).to_have_count(0, timeout=_WORKERS_MS)
    address = page.url.removeprefix(stack.url)

    page.goto("/?q=a+purple+picture+by:me")
    expect(page.locator(".photo a").first).to_have_attribute("href", address)

    page.goto("/")
    drop_files(page, "main", [("other.png", "image/png", photos.png("purple", seed=8).getvalue())])
    expect(page.get_by_role("heading", name="Photos like yours")).to_be_visible(timeout=_WORKERS_MS)
    expect(page.locator(f".photo a[href='{address}']")).to_be_visible()
