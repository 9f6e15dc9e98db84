"""The search page without a browser: what is shown, to whom, and with which status when it can't be done."""

from collections.abc import Callable
from html import unescape

import pytest
from django.test import Client
from pytest_django import Settings

from core.errors import EngineUnavailable, QueueUnavailable
from library.models import Asset
from search.language import MAX_CHARS
from tests.pages import photos
from tests.pages.conftest import Photo
from tests.pages.markup import ids_in, shown
from workers import pipeline

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_empty_site_says_how_to_begin(client: Client) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert "No photos yet" in response.content.decode()


def test_nothing_asked_shows_the_newest_photos_that_the_viewer_may_see(
    photo: Photo, as_alice: Client, as_charlie: Client
) -> None:
    public, private = photo("red"), photo("blue", visibility="private")
    assert shown(as_alice, "/") == [private.pk, public.pk]
    assert shown(as_charlie, "/") == shown(Client(), "/") == [public.pk]


def test_the_latest_photos_page_on_without_gap_or_repeat(
    photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.pages.paging.PAGE_SIZE", 2)
    made = [photo("red").pk for _ in range(5)]
    seen, address = [], "/"
    while address:
        html = Client().get(address).content.decode()
        seen += ids_in(html)
        address = unescape(html.partition('<li class="more" hx-get="')[2].partition('"')[0])
    assert seen == made[::-1]


def test_words_find_the_photo_they_describe_first(searchable: Photo, client: Client) -> None:
    red, blue = searchable("red"), searchable("blue")
    assert shown(client, "/?q=a+red+picture")[0] == red.pk
    assert shown(client, "/?q=a+blue+picture")[0] == blue.pk


def test_a_match_says_why(searchable: Photo, client: Client) -> None:
    red = searchable("red")
    html = client.get("/?q=a+red+picture").content.decode()
    assert f'id="why-{red.pk}"' in html
    assert f'aria-describedby="why-{red.pk}"' in html
    assert "Look" in html
    assert "Caption" in html


def test_the_alt_text_is_the_caption(searchable: Photo, client: Client) -> None:
    searchable("green")
    assert 'alt="A green picture"' in client.get("/").content.decode()


def test_a_search_pages_on_by_its_cursor(
    searchable: Photo, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.pages.home.PAGE_SIZE", 2)
    made = {searchable("red").pk for _ in range(3)}
    html = client.get("/?q=red").content.decode()
    more = unescape(html.partition('<li class="more" hx-get="')[2].partition('"')[0])
    assert more.startswith("/?q=red&cursor=")
    first, second = ids_in(html), shown(client, more)
    assert (len(first), len(second)) == (2, 1)
    assert {*first, *second} == made


def test_only_mine_leaves_out_what_others_made(
    searchable: Photo, as_alice: Client, as_charlie: Client, charlie: object
) -> None:
    own = searchable("red")
    searchable("red", owner=charlie)
    assert shown(as_alice, "/?q=red+by:me") == [own.pk]
    assert len(shown(as_alice, "/?q=red")) == 2


def test_a_private_photo_is_found_by_its_owner_alone(
    searchable: Photo, as_alice: Client, as_charlie: Client
) -> None:
    private = searchable("purple", visibility="private")
    assert shown(as_alice, "/?q=purple") == [private.pk]
    assert shown(as_charlie, "/?q=purple") == []


@pytest.mark.parametrize(
    "address",
    [
        "/?q=",
        "/?q=%20%20",
        "/?q=" + "a" * 10_000,
        "/?q=red%00",
        "/?q=red&cursor=nonsense",
        "/?before=nonsense",
    ],
    ids=["empty", "blanks", "10 kB", "control character", "bad cursor", "bad page"],
)
def test_a_question_that_makes_no_sense_is_a_400_that_says_so(
    searchable: Photo, client: Client, address: str
) -> None:
    searchable("red")
    response = client.get(address)
    assert response.status_code == 400
    assert 'role="alert"' in response.content.decode()


def test_an_engine_that_is_away_is_a_503_and_never_an_empty_result(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object, **kwargs: object) -> None:
        raise EngineUnavailable("The index can't answer right now.", retry_after_s=7)

    monkeypatch.setattr("config.pages.home.search_text", away)
    response = client.get("/?q=red")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "7"
    html = response.content.decode()
    assert "The index can&#x27;t answer right now." in html
    assert "Nothing comes close" not in html


def test_nothing_close_says_so_and_offers_a_way_on(client: Client) -> None:
    assert "Nothing comes close" in client.get("/?q=red").content.decode()


def test_what_was_asked_is_shown_as_text_and_never_as_markup(client: Client) -> None:
    html = client.get("/", {"q": '"><script>alert(1)</script>'}).content.decode()
    assert "<script>alert" not in html


@pytest.fixture
def in_process_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for the worker of the interactive queue, which tests/workers and tests/e2e run for real."""
    from captioning.vision.pixels import square_pixels
    from workers.interactive import encode_pixels

    monkeypatch.setattr(
        pipeline, "encode_query_image", lambda picture: encode_pixels(square_pixels(picture).tobytes())
    )


@pytest.mark.usefixtures("in_process_encoder")
def test_a_picture_finds_photos_like_it_and_is_not_stored(searchable: Photo, client: Client) -> None:
    searchable("red")
    searchable("blue")
    blue = Asset.objects.get(original_name__startswith="blue")
    response = client.post("/search/picture/", {"file": photos.png("blue", seed=99)})
    assert response.status_code == 200
    assert ids_in(response.content.decode())[0] == blue.pk
    assert Asset.objects.count() == 2


@pytest.mark.usefixtures("in_process_encoder")
def test_the_picture_is_sent_again_for_the_page_after(
    searchable: Photo, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.pages.home.PAGE_SIZE", 2)
    made = {searchable("red").pk for _ in range(3)}
    first = client.post("/search/picture/", {"file": photos.png("red", seed=99)}).content.decode()
    cursor = (
        unescape(first.partition('hx-vals=\'{"cursor": "')[2].partition('"')[0])
        .encode()
        .decode("unicode_escape")
    )
    again = {"file": photos.png("red", seed=99), "cursor": cursor}
    second = client.post("/search/picture/", again).content.decode()
    assert {*ids_in(first), *ids_in(second)} == made


def test_a_text_file_is_no_picture_to_search_with(client: Client) -> None:
    file = photos.png("red")
    file.seek(0)
    file.truncate(0)
    file.write(b"no picture at all")
    file.seek(0)
    response = client.post("/search/picture/", {"file": file})
    assert response.status_code in {400, 415}
    assert 'role="alert"' in response.content.decode()


def test_no_picture_is_a_400(client: Client) -> None:
    assert client.post("/search/picture/").status_code == 400


def test_without_workers_a_search_by_picture_is_a_503(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(picture: object) -> None:
        raise QueueUnavailable("The queue for pictures can't be reached.")

    monkeypatch.setattr(pipeline, "encode_query_image", away)
    response = client.post("/search/picture/", {"file": photos.png("red")})
    assert response.status_code == 503
    assert response.headers["Retry-After"]


def test_reading_the_address_of_a_picture_search_begins_anew(client: Client) -> None:
    response = client.get("/search/picture/")
    assert response.status_code == 302
    assert response.headers["Location"] == "/"


def test_pages_ask_the_database_the_same_number_of_times_however_many_photos(
    photo: Photo, client: Client, django_assert_num_queries: Callable[..., object]
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    photo("red")
    with CaptureQueriesContext(connection) as few:
        client.get("/")
    for _ in range(5):
        photo("blue")
    with CaptureQueriesContext(connection) as many:
        client.get("/")
    assert len(many) == len(few)


def test_pages_forbid_everything_that_is_not_our_own_file(client: Client, settings: Settings) -> None:
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_what_can_not_be_understood_is_marked_under_the_box(client: Client) -> None:
    response = client.get("/", {"q": 'dog colr:"<b>red" cat'})
    html = response.content.decode()
    assert response.status_code == 400
    assert "dog <mark>colr:&quot;&lt;b&gt;red&quot;</mark> cat" in html
    assert "Did you mean colour:?" in html
    assert "There is no operator “colr:”" in html


def test_every_box_takes_as_long_a_query_as_is_understood(client: Client) -> None:
    for page, boxes in (("/", 2), ("/account/login/", 1)):
        assert client.get(page).content.decode().count(f'maxlength="{MAX_CHARS}"') == boxes


def test_nothing_is_marked_where_nothing_is_wrong(searchable: Photo, client: Client) -> None:
    searchable("red")
    html = client.get("/?q=red").content.decode()
    assert '<div class="query-problem" id="query-problem"></div>' in html


def test_conditions_that_allow_nothing_say_so(searchable: Photo, client: Client) -> None:
    searchable("red")
    html = client.get("/?q=tag:sea").content.decode()
    assert "No photo that you may see fits tag:sea." in html


def test_sorted_by_date_a_search_pages_on_in_that_order(
    searchable: Photo, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.pages.home.PAGE_SIZE", 2)
    made = [searchable("red").pk for _ in range(3)]
    html = client.get("/?q=red&sort=date").content.decode()
    more = unescape(html.partition('<li class="more" hx-get="')[2].partition('"')[0])
    assert [*ids_in(html), *shown(client, more)] == made[::-1]
    assert client.get("/?q=red&sort=size").status_code == 400


def test_matched_words_are_marked_in_the_caption_and_named(searchable: Photo, client: Client) -> None:
    searchable("red", tags=["Poppies"])
    html = client.get("/?q=red+poppy+pictures").content.decode()
    assert "A <mark>red</mark> <mark>picture</mark></span>" in html
    assert "Words: picture, poppies, red" in html
    assert "<mark>" not in client.get("/").content.decode()


@pytest.mark.usefixtures("in_process_encoder")
def test_a_picture_and_words_are_asked_together(searchable: Photo, client: Client) -> None:
    plain, tagged = searchable("red"), searchable("red", tags=["sea"])
    answer = client.post("/search/picture/", {"file": photos.png("red", seed=99), "q": "sea"})
    assert ids_in(answer.content.decode()) == [tagged.pk, plain.pk]
    assert "Photos like yours, and “sea”" in answer.content.decode()
    wrong = client.post("/search/picture/", {"file": photos.png("red", seed=99), "q": "sea before:soon"})
    assert wrong.status_code == 400
    assert "sea <mark>before:soon</mark>" in wrong.content.decode()
