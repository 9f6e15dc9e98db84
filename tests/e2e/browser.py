"""What browser tests say to a page: where the browser is, who signs in, what must never happen on a page."""

import shutil
from collections.abc import Callable
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.pages.photos import PASSWORD

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
_WCAG_AA = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}


def chromium() -> str | None:
    """The program of the first Chromium on this machine."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


def sign_in(page: Page, name: str = "alice") -> None:
    page.goto("/account/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="My photos")).to_be_visible()


def search_box(page: Page) -> Locator:
    """By its mark: it is a search box, and a combobox as soon as there are suggestions, which come when they like."""
    return page.locator("[data-search-box]")


def wait_for(page: Page, done: Callable[[], bool]) -> None:
    """What a browser does in the background, when it likes; the test's time limit ends the wait."""
    while not done():
        page.wait_for_timeout(20)


def barriers(page: Page) -> list[str]:
    """What axe-core finds on the page against WCAG 2.2 AA and good practice: rule, and the element that breaks it."""
    found: dict[str, Any] = Axe().run(page, options={**_WCAG_AA, "resultTypes": ["violations"]}).response
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def overflow_px(page: Page) -> int:
    """By how much the page is wider than its window."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return wider


def drop_files(page: Page, selector: str, files: list[tuple[str, str, bytes]]) -> None:
    """Drops files (name, type, content) on an element, as a hand with a mouse does, once the page's scripts listen."""
    page.wait_for_load_state("domcontentloaded")
    page.evaluate(
        """([selector, files]) => {
            const carried = new DataTransfer();
            for (const [name, type, content] of files)
                carried.items.add(new File([new Uint8Array(content)], name, {type}));
            const target = document.querySelector(selector);
            for (const kind of ["dragenter", "dragover", "drop"])
                target.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: carried}));
        }""",
        [selector, [[name, kind, list(content)] for name, kind, content in files]],
    )


def too_low_controls(page: Page) -> list[tuple[str, float]]:
    """What one presses, other than links within text, that is too small to hit (WCAG 2.2, 2.5.8)."""
    controls: list[tuple[str, float]] = page.locator(
        "a.button, button, summary, .pills label, .chips a"
    ).evaluate_all("controls => controls.map(one => [one.innerText, one.getBoundingClientRect().height])")
    return [control for control in controls if 0 < control[1] < 24]
