"""A site of somebody else with our script on its pages, in a real Chromium: service up, slow and away."""

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from config.demo.site import FOLDER, demo_site
from config.demo.site_server import site_server
from recommender.models import Item
from recommender.site_keys import create_site_key
from recommender.sites import change_site
from tests.e2e.browser import barriers, wait_for
from tests.search.photos import photo
from tests.services.web import Serve
from workers import errands, messages, pipeline

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

_WATCH_SHIFTS = """
    window.shifts = [];
    new PerformanceObserver((list) => { for (const one of list.getEntries()) window.shifts.push(one.value); })
        .observe({type: "layout-shift", buffered: true});
    window.broken = [];
    addEventListener("error", (event) => window.broken.push(String(event.message)));
    addEventListener("unhandledrejection", (event) => window.broken.push(String(event.reason)));
"""


@pytest.fixture(autouse=True)
def _no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "spent", lambda *_, **__: None)
    monkeypatch.setattr(pipeline, "wake_items", lambda: True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the demo site's files."""
    return shutil.copytree(FOLDER, tmp_path / "site")


@pytest.fixture
def weekly(live_server: LiveServer, transactional_db: None, folder: Path) -> Iterator[str]:
    """The address of the demo site, whose items and photos are findable."""
    owner = User.objects.create_user("demo")
    server = site_server(folder, 0, service=live_server.url)
    url = f"http://127.0.0.1:{server.server_port}"
    server.RequestHandlerClass.keywords["values"]["key"] = demo_site(owner, url).key  # type: ignore[attr-defined]
    photo(owner, "a cup of coffee on a wooden table", looks="orange", title="Coffee")
    errands.encode_items()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield url
    server.shutdown()
    server.server_close()


@pytest.fixture
def reader(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(_WATCH_SHIFTS)
    yield page
    assert page.evaluate("window.broken") == []
    context.close()


def shifted(page: Page) -> float:
    return float(page.evaluate("window.shifts.reduce((sum, one) => sum + one, 0)"))


def told(page: Page) -> list[Any]:
    """What the page reports of its reader."""
    sent: list[Any] = []

    def catch(route: Route) -> None:
        sent.extend(json.loads(route.request.post_data or "{}")["interactions"])
        route.fulfill(status=202, json={})

    page.route("**/api/v1/interactions*", catch)
    return sent


def test_up_related_things_stand_in_their_place_and_are_reported(weekly: str, reader: Page) -> None:
    sent = told(reader)
    reader.goto(f"{weekly}/coffee.html")
    region = reader.get_by_role("region", name="Read and see")
    expect(region.get_by_role("listitem")).to_have_count(4)
    picture = region.get_by_role("img", name="a cup of coffee on a wooden table")
    expect(picture).to_have_attribute("loading", "lazy")
    assert shifted(reader) == 0
    assert barriers(reader) == []
    picture.scroll_into_view_if_needed()
    links = region.get_by_role("link")
    links.first.focus()
    assert reader.evaluate("document.activeElement.shadowRoot.activeElement.tagName") == "A"
    wait_for(reader, lambda: bool(sent))
    reader.wait_for_timeout(2500)  # for those that would be told twice
    impressions = [one for one in sent if one["kind"] == "impression"]
    assert len(impressions) == len({one.get("item", one.get("asset")) for one in impressions}) >= 1
    assert {len({one[name] for one in impressions}) for name in ("visitor", "recommendation")} == {1}
    with reader.expect_navigation():
        links.filter(has_not_text="Coffee").first.click()
    assert urlsplit(reader.url).path.endswith(".html")
    wait_for(reader, lambda: "click" in [one["kind"] for one in sent])
    assert [one["kind"] for one in sent].count("click") == 1


def test_slow_the_page_is_read_meanwhile_and_nothing_moves(weekly: str, reader: Page) -> None:
    told(reader)

    held: list[Route] = []
    reader.route("**/items/coffee/related*", lambda route: held.append(route))
    reader.goto(f"{weekly}/coffee.html")
    expect(reader.get_by_role("heading", level=1)).to_be_visible()
    region = reader.get_by_role("region", name="Read and see")
    wait_for(reader, lambda: bool(held))
    reader.wait_for_timeout(1500)
    expect(region).to_have_count(0)
    held[0].continue_()
    expect(region.get_by_role("listitem")).to_have_count(4)
    assert shifted(reader) == 0


def test_the_list_is_the_named_visitor_s_and_what_is_no_name_costs_nobody_a_list(
    weekly: str, reader: Page, folder: Path
) -> None:
    told(reader)
    page = folder / "coffee.html"
    plain = page.read_text("utf-8")
    for name, asked in [("v-1", "v-1"), ("no name", None)]:
        page.write_text(plain.replace("data-site=", f'data-visitor="{name}" data-site='), "utf-8")
        with reader.expect_request("**/items/coffee/related*") as request:
            reader.goto(f"{weekly}/coffee.html")
        query = dict(parse_qsl(urlsplit(request.value.url).query))
        assert query.get("visitor") == asked
        expect(reader.get_by_role("region", name="Read and see").get_by_role("listitem")).to_have_count(4)


@pytest.mark.parametrize("away", ["**/embed/related.js", "**/api/v1/**"])
def test_away_the_page_is_as_it_was(weekly: str, reader: Page, away: str) -> None:
    reader.route(away, lambda route: route.abort())
    reader.goto(f"{weekly}/coffee.html", wait_until="networkidle")
    expect(reader.get_by_role("heading", level=1)).to_have_text("A cup of coffee, slowly")
    expect(reader.get_by_role("region", name="Read and see")).to_have_count(0)
    assert shifted(reader) == 0


def test_pictures_without_words_get_them_marked_and_an_author_s_are_never_touched(
    weekly: str, reader: Page, folder: Path
) -> None:
    told(reader)
    item = Item.objects.get(external_id="cats")
    item.image_url = f"{weekly}/cat.jpg"
    item.asset = photo(item.site.owner, "a cat on a sofa", visibility="private")
    item.save()
    pictures = (
        '<img src="cat.jpg"><img src="cat.jpg" alt=""><img src="cat.jpg" alt="Minka"><img src="unknown.jpg">'
        f'<img src="data:image/png;base64,{"A" * 3000}"><img>'
    )
    asked: list[str] = []
    reader.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page = folder / "space.html"
    page.write_text(page.read_text("utf-8").replace("<main>", f"<main>{pictures}"), "utf-8")
    reader.goto(f"{weekly}/space.html")
    expect(reader.locator("img[data-alt-source=machine]")).to_have_count(1)
    alts = reader.eval_on_selector_all("main > img", "all => all.map(one => one.getAttribute('alt'))")
    assert alts == ["a cat on a sofa (described by a machine)", "", "Minka", None, None, None]
    assert asked.count("/api/v1/alt") == 1


def test_a_site_of_another_origin_gets_nothing(
    weekly: str, reader: Page, live_server: LiveServer, serve: Serve
) -> None:
    site = Item.objects.get(external_id="cats").site
    key = create_site_key(site, kind="publishable", name="stolen").token
    script = f'<script src="{live_server.url}/embed/related.js" data-site="{key}" data-item="cats"></script>'

    def say(asked: BaseHTTPRequestHandler) -> None:
        asked.send_response(200)
        asked.send_header("Content-Type", "text/html")
        asked.end_headers()
        asked.wfile.write(f"<!doctype html><h1>Hi</h1>{script}".encode())

    thief = serve(say)
    reader.goto(thief, wait_until="networkidle")
    expect(reader.get_by_role("region", name="Related")).to_have_count(0)
    change_site(site, origins=[thief])
    reader.reload(wait_until="networkidle")
    expect(reader.get_by_role("region", name="Related")).to_have_count(1)
