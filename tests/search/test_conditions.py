"""Conditions of a query narrow what is found exactly, whatever ranks it, and the same on both databases."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from captioning.colours import record_colours
from captioning.models import Caption
from core.errors import InvalidInput
from library.models import Asset
from library.selectors import AssetFilters
from search.answering import allowed
from search.language import parse
from search.services import BY_DATE, rebuild_index, search_text
from tests.query_plans import plan_of
from tests.search.photos import found, many, on_all_pages, photo, stored

pytestmark = pytest.mark.django_db


def test_words_left_out_are_in_no_result_in_any_of_their_forms(alice: User) -> None:
    kept = photo(alice, "a red picture")
    photo(alice, "a red picture of dogs")
    photo(alice, "a red picture", tags=["Dog"])
    assert found(alice, "red -dog") == [kept.pk]


def test_a_stop_word_can_be_left_out_too(alice: User) -> None:
    kept = photo(alice, "red pictures")
    photo(alice, "a red picture of the sea")
    assert found(alice, "red -the") == [kept.pk]


def test_a_phrase_stands_as_it_was_written(alice: User) -> None:
    asset = photo(alice, "a black dog on the red mat")
    photo(alice, "a black cat and a red dog")
    forms = photo(alice, "black dogs on the red mat")
    assert found(alice, '"black dog"') == [asset.pk]
    assert set(found(alice, '"ON the red"')) == set(found(alice, '"on the"')) == {asset.pk, forms.pk}
    assert len(found(alice, 'red -"black dog"')) == 2


def test_tags_must_all_hold(alice: User) -> None:
    both = photo(alice, "a red picture", tags=["Sea", "the lake"])
    one = photo(alice, "a red picture", tags=["sea"])
    photo(alice, "a red picture of the sea")
    assert found(alice, "red tag:SEA") == [one.pk, both.pk]
    assert found(alice, 'red tag:sea tag:"The Lake"') == [both.pk]
    assert found(alice, 'red tag:sea -tag:"the lake"') == [one.pk]


@pytest.mark.parametrize(
    ("narrow", "index"),
    [
        (AssetFilters(tag="sea"), "tag_in_any_case"),
        (AssetFilters(taken_after=datetime(2020, 1, 1, tzinfo=UTC)), "asset_seen_by_date"),
    ],
)
def test_a_tag_and_a_month_are_looked_up_and_not_walked_through(narrow: AssetFilters, index: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        list(allowed(None, narrow, ()).order_by().values_list("pk"))
    if connection.vendor == "sqlite":
        assert f"USING INDEX {index} (" in plan_of(queries[0]["sql"]).replace("COVERING ", "")


def test_an_index_that_nothing_is_known_of_does_not_take_the_newest_out_of_order(alice: User) -> None:
    photo(alice, "a red picture")
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
        if connection.vendor == "sqlite":  # counted before the index by date was there
            cursor.execute("ANALYZE")
            cursor.execute(
                "DELETE FROM sqlite_stat1 WHERE idx IS NULL OR idx NOT LIKE 'library_asset_visib%'"
            )
            cursor.execute("UPDATE sqlite_stat1 SET stat = '2000 2000'")
            cursor.execute("ANALYZE sqlite_schema")
        list(allowed(None, AssetFilters(), ()).order_by("-id")[:20])
    if connection.vendor == "sqlite":
        assert "TEMP B-TREE" not in plan_of(queries[-1]["sql"])


def test_text_is_looked_for_in_everything_written(alice: User) -> None:
    titled = photo(alice, "a red picture", title="Harbours")
    described = photo(alice, "a red picture", description="near the harbour")
    captioned = photo(alice, "a red harbour")
    photo(alice, "a red picture", auto_tags=[("harbour", "port")])
    assert set(found(alice, "red text:harbour")) == {titled.pk, described.pk, captioned.pk}


def test_file_names_are_found_by_their_owner_only(alice: User, bob: User) -> None:
    asset = photo(alice, "a red picture", original_name="IMG_2041 Harbour.jpg")
    photo(alice, "a red picture", original_name="other.jpg")
    assert found(alice, "red text:2041") == [asset.pk]
    assert found(bob, "red text:2041") == []
    assert found(AnonymousUser(), "red text:2041") == []
    assert asset.pk in found(bob, "red -text:2041")


def test_dates_are_when_it_was_taken_else_uploaded(alice: User) -> None:
    old = photo(alice, "a red picture", taken_at="2023-12-31T23:59:59Z")
    new = photo(alice, "a red picture", taken_at="2024-01-01T00:00:00Z")
    undated = photo(alice, "a red picture")
    Asset.objects.filter(pk=undated.pk).update(created_at=datetime(2024, 5, 2, tzinfo=UTC))
    assert found(alice, "before:2024") == [old.pk]
    assert found(alice, "after:2024") == [undated.pk, new.pk]
    assert found(alice, "after:2024-05 before:2024-06") == [undated.pk]
    assert found(alice, "-after:2024") == [old.pk]
    assert found(alice, "red after:2024-01-01 before:2024-01-02") == [new.pk]


def test_owners_and_types_are_alternatives(alice: User, bob: User) -> None:
    hers, his = photo(alice, "a red picture"), photo(bob, "a red picture", mime_type="image/png")
    assert found(alice, "by:ALICE") == found(alice, "by:me") == found(alice, "type:jpeg") == [hers.pk]
    assert found(alice, "-by:me") == found(alice, "type:png") == [his.pk]
    assert found(alice, "by:alice by:bob") == found(alice, "type:jpg type:png") == [his.pk, hers.pk]
    assert found(AnonymousUser(), "by:me") == found(alice, "by:nobody") == []


def test_colours_must_all_be_there(alice: User) -> None:
    both, one, unknown = (photo(alice, "a red picture") for _ in range(3))
    record_colours(
        [asset.frames.get().pk for asset in (both, one)],
        [{"red": 0.6, "blue": 0.3}, {"red": 0.9}],
    )
    assert found(alice, "red colour:red") == [one.pk, both.pk]
    assert found(alice, "colour:red color:blue") == [both.pk]
    assert found(alice, "red -colour:blue") == [unknown.pk, one.pk]


def test_what_was_reviewed(alice: User) -> None:
    accepted, drafted, written = (photo(alice, "a red picture") for _ in range(3))
    Caption.objects.filter(frame__asset=accepted).update(state=Caption.State.ACCEPTED)
    Caption.objects.create(frame=written.frames.get(), source=Caption.Source.HUMAN, text="a red one")
    assert set(found(alice, "red is:reviewed")) == {accepted.pk, written.pk}
    assert found(alice, "red -is:reviewed") == [drafted.pk]


def test_who_may_see_a_photo_narrows_before_any_condition(alice: User, bob: User) -> None:
    secret = photo(alice, "a red secret", visibility="private", tags=["sea"])
    for query in ("tag:sea", "by:alice", "is:private", '"red secret"', "text:secret", "-tag:lake", "secret"):
        assert found(bob, query) == [], query
        assert found(alice, query) == [secret.pk], query


@pytest.mark.parametrize("sealed", [False, True])
def test_few_photos_of_many_are_found_exactly(alice: User, sealed: bool) -> None:
    few = [photo(alice, "a blue picture", tags=["rare"]) for _ in range(3)]
    many(alice, 300, "a red picture")
    if sealed:
        rebuild_index()
    assert set(found(alice, "red tag:rare")) == {asset.pk for asset in few}


class TestConditionsAlone:
    def test_the_newest_come_first_without_a_model(self, alice: User, settings: Any) -> None:
        first = photo(alice, tags=["sea"], taken_at="2024-05-01T12:00:00Z")
        second = photo(alice, tags=["sea"], taken_at="2024-05-03T12:00:00Z")
        third = photo(alice, tags=["sea"], taken_at="2024-05-02T12:00:00Z")
        settings.EMBEDDER_MODEL_IDS = {"image": "not installed", "caption": "not installed"}
        page = search_text(alice, "tag:sea")
        assert [match.asset_id for match in page.matches] == [second.pk, third.pk, first.pk]
        assert {match.score for match in page.matches} == {0.0}

    def test_photos_that_are_not_described_yet_are_listed(self, alice: User) -> None:
        asset = stored(alice, tags=["sea"])
        assert found(alice, "tag:sea") == [asset.pk]

    def test_pages_without_gap_or_repeat_though_moments_are_equal(self, alice: User) -> None:
        moments = ["2024-05-01T12:00:00Z", "2024-05-01T12:00:00.000001Z", None, "0999-01-01T00:00:00Z"]
        ids = [stored(alice, tags=["sea"], taken_at=at).pk for at in moments * 3]
        seen = on_all_pages(alice, "tag:sea", limit=5)
        assert sorted(seen) == ids
        assert seen == found(alice, "tag:sea", limit=100)


class TestInOrder:
    """Of some time or of somebody, an index has the newest in order: of what all may see, and of one's own."""

    @pytest.mark.parametrize(
        "query",
        [
            *("after:2022", "before:2023", "after:2022 before:2023", "by:alice", "by:ALICE after:2022"),
            *("by:bob", "by:me", "-by:alice", "by:alice by:bob", "by:nobody", "is:private after:2022"),
        ],
    )
    def test_pages_are_those_of_all_that_fit_sorted(self, alice: User, bob: User, query: str) -> None:
        moments = [datetime(2021 + n % 3, 1 + n % 5, 1, tzinfo=UTC) if n % 4 else None for n in range(24)]
        for at, moment in enumerate(moments):
            owner, visibility = (alice, bob)[at % 2], ("public", "private", "public")[at % 3]
            asset = stored(owner, visibility=visibility, taken_at=moment)
            unsafe = 1.0 if at % 5 == 0 else None
            Asset.objects.filter(pk=asset.pk).update(
                created_at=datetime(2022, 1 + at % 7, 2, tzinfo=UTC), unsafe_score=unsafe
            )
        for viewer in (alice, bob, AnonymousUser()):
            fitting = allowed(viewer, AssetFilters(), parse(query).conditions)
            right = sorted(fitting, key=lambda one: (one.taken_at or one.created_at, one.pk), reverse=True)
            assert on_all_pages(viewer, query, limit=4) == [asset.pk for asset in right]

    @pytest.mark.parametrize(
        ("query", "index"),
        [
            ("after:2022 before:2023", "asset_dated"),
            ("before:2023", "asset_dated"),
            ("by:alice", "asset_dated_of_owner"),
            ("by:alice after:2022", "asset_dated_of_owner"),
        ],
    )
    def test_they_are_read_and_not_sorted(self, alice: User, query: str, index: str) -> None:
        with CaptureQueriesContext(connection) as queries:
            search_text(alice, query, limit=4)
        listing = [one["sql"] for one in queries if "LIMIT 5" in one["sql"]]
        assert len(listing) == 3
        if connection.vendor == "sqlite":
            for plan in map(plan_of, listing):
                assert "TEMP B-TREE" not in plan
                assert "USING INDEX asset_dated" in plan
            assert f"USING INDEX {index} (" in plan_of(listing[0])


class TestSorting:
    def test_by_date_the_best_come_newest_first(self, alice: User) -> None:
        old = photo(alice, "a red picture", taken_at="2020-01-01T00:00:00Z")
        new = photo(alice, "a blue picture", taken_at="2024-01-01T00:00:00Z")
        assert found(alice, "red") == [old.pk, new.pk]
        page = search_text(alice, "red", sort=BY_DATE)
        assert [match.asset_id for match in page.matches] == [new.pk, old.pk]
        assert page.matches[1].score > page.matches[0].score

    def test_by_date_pages_go_on(self, alice: User) -> None:
        ids = [asset.pk for asset in many(alice, 7, "a red picture")]
        first = search_text(alice, "red", sort=BY_DATE, limit=4)
        rest = search_text(alice, "red", sort=BY_DATE, limit=4, cursor=first.next)
        assert [match.asset_id for match in (*first.matches, *rest.matches)] == ids[::-1]
        assert rest.next is None

    def test_a_cursor_of_one_order_is_none_of_the_other(self, alice: User) -> None:
        many(alice, 3, "a red picture")
        cursor = search_text(alice, "red", limit=1).next
        with pytest.raises(InvalidInput, match="another search"):
            search_text(alice, "red", limit=1, cursor=cursor, sort=BY_DATE)

    def test_an_order_that_there_is_not(self, alice: User) -> None:
        with pytest.raises(InvalidInput, match="relevance, date"):
            search_text(alice, "red", sort="size")


class TestReasons:
    def test_nothing_allowed_is_empty_with_the_reason(self, alice: User) -> None:
        photo(alice, tags=["sea"], taken_at="2024-05-01T12:00:00Z")
        page = search_text(alice, 'red tag:sea tag:"the lake"')
        assert page.matches == []
        assert page.reason == 'No photo that you may see fits tag:"the lake".'
        together = search_text(alice, "tag:sea before:2024").reason
        assert together == "No photo that you may see fits before:2024."

    def test_conditions_that_only_together_allow_nothing(self, alice: User) -> None:
        photo(alice, tags=["sea"])
        photo(alice, tags=["lake"])
        reason = search_text(alice, "tag:sea tag:lake").reason
        assert reason == "No photo that you may see fits tag:sea and tag:lake together."

    def test_an_empty_library_is_the_reason(self, alice: User) -> None:
        assert "no photos here" in search_text(alice, "tag:sea").reason

    def test_something_found_needs_no_reason(self, alice: User) -> None:
        photo(alice, tags=["sea"])
        assert search_text(alice, "tag:sea").reason == ""


@pytest.mark.parametrize(
    "query",
    ["to be or not to be", "🎉", "黑狗 в снегу", "'; DROP TABLE library_asset; --", "<b>red</b>", "% _ * ?"],
)
def test_what_looks_odd_is_just_looked_for(alice: User, query: str) -> None:
    asset = photo(alice, "a red picture")
    assert found(alice, query) == [asset.pk]


@pytest.mark.parametrize(
    "value", ["it's", "a%b", "a_b", "O'Hara' OR 1=1", "*", "a\\b", "AND", "NEAR(a b)", "猫"]
)
def test_what_looks_like_another_language_is_a_value(alice: User, value: str) -> None:
    photo(alice, "a red picture")
    for operator in ("tag", "by", "text"):
        if operator == "text" and not any(sign.isalnum() for sign in value):
            continue
        assert found(alice, f'{operator}:"{value}"') == []
    assert found(alice, f'-tag:"{value}" red')


def test_a_camera_is_found_by_a_part_of_its_name_in_any_case(alice: User) -> None:
    canon = photo(alice, "a red picture", camera="Canon EOS 5D")
    pixel = photo(alice, "a red picture", camera="Google Pixel 8")
    unknown = photo(alice, "a red picture")
    assert found(alice, "red camera:canon") == [canon.pk]
    assert found(alice, 'camera:"PIXEL 8"') == [pixel.pk]
    assert set(found(alice, "red -camera:canon")) == {pixel.pk, unknown.pk}
