"""A real Chromium against a real server in a thread, with the fake models. Nothing here needs Redis."""

import os
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)
from pytest_django.live_server_helper import LiveServer

from captioning.vision.pixels import square_pixels
from tests.e2e.browser import chromium
from tests.pages.conftest import alice, charlie, photo, searchable  # noqa: F401 - fixtures
from workers import pipeline
from workers.interactive import encode_pixels

OpenPage = Callable[..., Page]
_TIMEOUT_MS = 20_000  # a machine may be busy; a page that is right answers at once
expect.set_options(timeout=_TIMEOUT_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = chromium()
    if program is None:
        pytest.skip(
            "No Chromium on this machine: `make setup` as root installs it, or `apt-get install chromium`."
        )
    # Playwright's loop runs in this thread, and Django would take every query in it for one from a coroutine.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def complaints() -> list[str]:
    """What must never be: a script that failed, something the content policy blocked, a request to elsewhere."""
    return []


@pytest.fixture
def open_site(browser: Browser, complaints: list[str]) -> Iterator[OpenPage]:
    """`open_site(url, color_scheme="dark", viewport=...)` is a page of a fresh browser profile."""
    contexts: list[BrowserContext] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            complaints.append(message.text)

    def open_one(url: str, **options: object) -> Page:
        def watch(request: Request) -> None:
            if not request.url.startswith((url, "blob:", "data:")):
                complaints.append(f"asked for {request.url}")

        context = browser.new_context(base_url=url, **options)  # type: ignore[arg-type]
        context.set_default_timeout(_TIMEOUT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", listen)
        page.on("request", watch)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def open_page(open_site: OpenPage, live_server: LiveServer, transactional_db: None) -> OpenPage:
    """`open_page(**options)`: the same, on the test's own server and database."""
    return partial(open_site, live_server.url)


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()


@pytest.fixture
def in_process_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures sent as queries are encoded here; tests/workers send them through Redis to a worker."""
    monkeypatch.setattr(
        pipeline, "encode_query_image", lambda picture: encode_pixels(square_pixels(picture).tobytes())
    )
