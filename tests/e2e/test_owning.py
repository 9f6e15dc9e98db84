"""What an owner does in a browser: upload, watch it being described, edit, delete, keys, account."""

import re
import zipfile
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import FilePayload, Page, Route, expect
from pytest_django import Settings

from config.pages import paging
from library.models import ApiKey, Asset
from library.selectors import tag_names
from tests.e2e.browser import drop_files, sign_in, wait_for
from tests.e2e.conftest import OpenPage
from tests.library.pictures import zipped
from tests.pages import photos
from tests.pages.conftest import Photo

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def picture(colour: str, seed: int, name: str | None = None) -> FilePayload:
    content = photos.png(colour, seed=seed).getvalue()
    return {"name": name or f"{colour}.png", "mimeType": "image/png", "buffer": content}


@pytest.fixture
def upload_page(page: Page, alice: User) -> Page:
    sign_in(page)
    page.get_by_role("link", name="Upload", exact=True).click()
    expect(page.get_by_role("heading", name="Upload photos")).to_be_visible()
    return page


def test_files_chosen_by_hand_are_stored_with_their_tags_and_visibility(upload_page: Page) -> None:
    upload_page.get_by_text("Everyone").click()
    upload_page.get_by_label("Tags").fill("holiday, june")
    upload_page.get_by_label("Choose photos").set_input_files([picture("red", 1), picture("blue", 2)])
    rows = upload_page.locator(".file")
    expect(rows.filter(has_text="Added")).to_have_count(2)
    expect(upload_page.get_by_text("2 added", exact=True)).to_be_visible()
    assert Asset.objects.filter(visibility="public").count() == 2
    assert {tag.name for asset in Asset.objects.all() for tag in asset.tags.all()} == {"holiday", "june"}


def test_each_file_gets_its_own_answer(upload_page: Page) -> None:
    wrong: FilePayload = {"name": "words.jpg", "mimeType": "image/jpeg", "buffer": b"only words, no picture"}
    torn: FilePayload = {
        "name": "torn.png",
        "mimeType": "image/png",
        "buffer": photos.png("red").getvalue()[:60],
    }
    same = picture("red", 1, name="again.png")
    upload_page.get_by_label("Choose photos").set_input_files([picture("red", 1)])
    expect(upload_page.locator(".file.added")).to_have_count(1)
    upload_page.get_by_label("Choose photos").set_input_files([wrong, torn, same])

    expect(upload_page.get_by_text("1 added, 1 already yours, 2 failed")).to_be_visible()
    row = upload_page.locator(".file").filter(has_text="words.jpg")
    expect(row).to_have_class(re.compile("failed"))
    assert len(row.locator(".file-state").inner_text()) > 15, "the row says what is wrong with its file"
    expect(upload_page.locator(".file").filter(has_text="again.png")).to_contain_text(
        "Already in your library"
    )
    assert Asset.objects.count() == 1


def test_the_photos_of_an_archive_are_counted_one_by_one(upload_page: Page) -> None:
    inside = {f"{colour}.png": photos.png(colour).getvalue() for colour in ("red", "blue", "green")}
    trip: FilePayload = {
        "name": "trip.zip",
        "mimeType": "application/zip",
        "buffer": zipped({**inside, "torn.png": inside["red.png"][:60]}),
    }
    upload_page.get_by_label("Choose photos").set_input_files([picture("white", 1), trip])
    expect(upload_page.get_by_text("4 added, 1 failed", exact=True)).to_be_visible()
    upload_page.get_by_label("Choose photos").set_input_files([trip])
    expect(upload_page.get_by_text("4 added, 3 already yours, 2 failed", exact=True)).to_be_visible()


def test_files_chosen_before_the_script_has_come_are_stored_too(page: Page, alice: User) -> None:
    held: list[Route] = []
    page.route("**/upload*.js", lambda route: held.append(route))
    sign_in(page)
    page.goto("/upload/", wait_until="commit")
    page.get_by_label("Choose photos").set_input_files([picture("red", 1)])
    expect(page.locator(".file")).to_have_count(0)
    wait_for(page, lambda: bool(held))
    held[0].continue_()
    expect(page.locator(".file.added")).to_have_count(1)


def test_files_dropped_before_the_script_has_come_are_stored_too(
    page: Page, alice: User, tmp_path: Path
) -> None:
    held: list[Route] = []
    page.route("**/upload*.js", lambda route: held.append(route))
    sign_in(page)
    page.goto("/upload/", wait_until="commit")
    wait_for(page, lambda: bool(held))
    # With its style sheet, for by that the input covers the area.
    chooser = page.locator("[data-drop] [type=file]")
    wait_for(page, lambda: chooser.evaluate("one => getComputedStyle(one).opacity === '0'"))
    area = page.locator("[data-drop]").bounding_box()
    assert area is not None
    file = tmp_path / "red.png"
    file.write_bytes(photos.png("red").getvalue())
    dropped = {
        "x": area["x"] + area["width"] / 2,
        "y": area["y"] + area["height"] / 3,
        "data": {"items": [], "files": [str(file)], "dragOperationsMask": 1},
    }
    browser = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):  # as the browser itself takes them, whatever a script does
        browser.send("Input.dispatchDragEvent", {"type": kind, **dropped})
    wait_for(page, lambda: chooser.evaluate("one => one.files.length === 1"))
    held[0].continue_()
    expect(page.locator(".file.added")).to_have_count(1)


def test_files_dropped_on_the_page_are_stored(upload_page: Page) -> None:
    dropped = [
        (f"{seed}.png", "image/png", photos.png("green", seed=seed).getvalue()) for seed in (1, 2, 3, 4, 5)
    ]
    drop_files(upload_page, "[data-drop]", dropped)
    expect(upload_page.locator(".file.added")).to_have_count(5)
    assert Asset.objects.count() == 5


def test_a_file_over_the_limit_is_refused_before_it_travels(
    settings: Settings, page: Page, alice: User
) -> None:
    settings.UPLOAD_MAX_BYTES = 2_000
    sign_in(page)
    page.goto("/upload/")
    big: FilePayload = {"name": "big.png", "mimeType": "image/png", "buffer": b"x" * 3_000}
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.get_by_label("Choose photos").set_input_files([big])
    expect(page.locator(".file.failed")).to_contain_text("the limit is 2 KB")
    assert not [url for url in sent if "/api/" in url]


def test_a_connection_that_breaks_offers_another_try(upload_page: Page) -> None:
    upload_page.route("**/api/v1/assets", lambda route: route.abort())
    upload_page.get_by_label("Choose photos").set_input_files([picture("red", 1)])
    expect(upload_page.locator(".file.failed")).to_contain_text("The connection broke")
    upload_page.unroute("**/api/v1/assets")
    upload_page.get_by_role("button", name="Try again").click()
    expect(upload_page.locator(".file.added")).to_have_count(1)


def test_the_name_of_a_file_is_text_and_never_markup(upload_page: Page) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    upload_page.get_by_label("Choose photos").set_input_files([picture("red", 1, name=name)])
    expect(upload_page.locator(".file-name")).to_have_text(name)
    expect(upload_page.locator(".file.added")).to_have_count(1)
    assert upload_page.locator("img[src=x]").count() == 0


def test_uploading_works_without_javascript(open_page: OpenPage, alice: User) -> None:
    plain = open_page(java_script_enabled=False)
    sign_in(plain)
    plain.goto("/upload/")
    plain.locator("#files").set_input_files([picture("red", 1)])
    plain.get_by_role("main").get_by_role("button", name="Upload").click()
    expect(plain.locator(".file.added")).to_contain_text("Added")


def test_the_page_of_a_fresh_photo_fills_itself_in(upload_page: Page) -> None:
    upload_page.get_by_label("Choose photos").set_input_files([picture("red", 1)])
    upload_page.get_by_role("link", name="Open").click()
    expect(upload_page.get_by_role("heading", name="Being prepared")).to_be_visible()
    expect(upload_page.get_by_role("heading", name="Not described yet")).to_be_visible()
    photos.describe_all()
    expect(upload_page.get_by_role("heading", name="A red picture")).to_be_visible()
    expect(upload_page.get_by_role("heading", name="Being prepared")).to_have_count(0)
    expect(upload_page.locator("#related-photos")).to_contain_text("Nothing related yet")
    expect(upload_page.locator(".machine")).to_contain_text("strawberry")


def test_the_owner_rewrites_a_photo_and_finds_it_by_the_new_words(searchable: Photo, page: Page) -> None:
    asset = searchable("red")
    sign_in(page)
    page.goto(f"/assets/{asset.pk}/")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Title").fill("Grandmother's garden")
    page.get_by_label("Caption").fill("poppies behind the house")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    expect(page.get_by_role("heading", name="Grandmother's garden")).to_be_visible()
    photos.describe_all()
    page.goto("/?q=poppies")
    expect(page.locator(".photo").first).to_contain_text("Poppies behind the house")


def test_deleting_asks_in_place_and_can_be_thought_better_of(searchable: Photo, page: Page) -> None:
    asset = searchable("red")
    sign_in(page)
    page.goto(f"/assets/{asset.pk}/")
    page.get_by_role("link", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete this photo?")
    dialog.get_by_role("link", name="Keep it").click()
    expect(dialog).to_be_hidden()
    assert page.url.endswith(f"/assets/{asset.pk}/")
    page.get_by_role("link", name="Delete").click()
    dialog.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("status").filter(has_text="The photo is deleted.")).to_be_visible()
    assert not Asset.objects.exists()


def test_a_visitor_makes_an_account_and_ends_at_the_page_they_wanted(
    page: Page, transactional_db: None
) -> None:
    page.goto("/upload/")
    page.get_by_role("link", name="Make an account").click()
    page.get_by_label("Username").fill("dora")
    page.get_by_label("Password", exact=True).fill(photos.PASSWORD)
    page.get_by_label("Password confirmation").fill(photos.PASSWORD)
    page.get_by_role("button", name="Make account").click()
    expect(page.get_by_role("heading", name="Upload photos")).to_be_visible()
    page.get_by_label("Account of dora").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_the_account_menu_opens_and_closes_by_keyboard(page: Page, alice: User) -> None:
    sign_in(page)
    summary = page.get_by_label("Account of alice")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="API keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="API keys")).to_be_hidden()
    expect(summary).to_be_focused()


def test_a_key_is_made_shown_once_and_revoked(page: Page, alice: User) -> None:
    sign_in(page)
    page.goto("/account/keys/")
    page.get_by_label("Name").fill("backup")
    page.get_by_label("Upload, change and delete your photos").check()
    page.get_by_role("button", name="Make key").click()
    token = page.locator("#secret").inner_text()
    bearer = {"Authorization": f"Bearer {token}"}
    assert page.request.get("/api/v1/assets", headers=bearer).status == 200
    page.goto("/account/keys/")
    assert token not in page.content()
    page.get_by_role("button", name="Revoke backup").click()
    expect(page.get_by_text("The key is revoked and works no more.")).to_be_visible()
    assert ApiKey.objects.get().revoked_at
    assert page.request.get("/api/v1/assets", headers=bearer).status == 401


def test_many_photos_are_chosen_with_keys_alone_on_all_pages_of_the_grid(
    photo: Photo, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the grid comes as one scrolls, and belongs to the same form."""
    monkeypatch.setattr(paging, "PAGE_SIZE", 2)
    oldest, *_, newest = (photo(colour) for colour in ("red", "green", "blue"))
    sign_in(page)
    page.goto("/library/")
    page.get_by_role("link", name="Select").click()
    expect(page.get_by_role("checkbox")).to_have_count(3)
    for asset in (newest, oldest):
        page.locator(f"[data-photo='{asset.pk}'] input").press("Space")
    page.get_by_label("Tags").fill("holiday")
    page.get_by_label("Tags").press("Enter")
    expect(page.get_by_text("2 photos tagged.")).to_be_visible()
    assert [tag_names(each) for each in Asset.objects.order_by("pk")] == [["holiday"], [], ["holiday"]]

    page.locator(f"[data-photo='{oldest.pk}'] label").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Delete 1 photo?")).to_be_visible()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("1 photo deleted.")).to_be_visible()
    assert Asset.objects.filter(pk=oldest.pk).count() == 0


def test_all_photos_come_in_one_file(photo: Photo, page: Page) -> None:
    asset = photo("red")
    sign_in(page)
    page.goto("/account/photos/")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download").click()
    with zipfile.ZipFile(downloading.value.path()) as archive:
        assert archive.namelist() == [f"photos/{asset.original_name}", "photos.json"]
