"""What the columns of an index tell of filters: the same as the database, and followed when it changes."""

from datetime import UTC, datetime
from importlib import import_module
from itertools import cycle, product
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, User

from captioning.colours import record_colours
from captioning.models import Caption
from captioning.selectors import assets_reviewed
from library.asset_store import update_asset
from library.models import Asset, Frame
from library.selectors import AssetFilters, Viewer
from search import pushdown
from search.answering import allowed
from search.checking import check_index, heal
from search.columns import assets_where, microseconds, refresh
from search.index.where import COLUMNS
from search.language import parse
from search.models import AssetColumns, Embedding
from search.selectors import frames_to_index
from search.services import index_frames, index_within, rebuild_index, search_text
from tests.search.photos import many, person, photo, stored

pytestmark = pytest.mark.django_db

_FILTERS = [
    AssetFilters(),
    AssetFilters(mine=True),
    AssetFilters(mine=False),
    AssetFilters(visibility="private"),
    AssetFilters(mine=True, visibility="public"),
    AssetFilters(taken_after=datetime(2020, 6, 1, tzinfo=UTC)),
    AssetFilters(taken_before=datetime(2020, 6, 1, tzinfo=UTC), taken_after=datetime(2019, 1, 1, tzinfo=UTC)),
    AssetFilters(tag="SEA"),
]
_TOLD = [
    "red",
    "red after:2020",
    "red before:2020-06-15",
    "red before:1970",
    "red after:9999",
    "red before:0001",
    "red -after:2020 before:2019-07",
    "red by:alice",
    "red by:ALICE by:bob",
    "red -by:bob",
    "red by:nobody",
    "red by:me",
    "red -by:me is:public",
    "red is:private",
    "red -is:private after:2019 by:bob",
    "red tag:sea",
    "red tag:Sea tag:straße by:alice",
    "red tag:nothing",
    "red colour:red after:2019",
    "red tag:dog colour:green",
    "red is:reviewed",
    "red is:reviewed by:me tag:sea",
]
#: Each with what is told of it: a photo that lacks something is told by no bits.
_TOLD_IN_PART = {
    "red -tag:sea tag:dog": "red tag:dog",
    "red -colour:red by:alice": "red by:alice",
    "red -word after:2020": "red after:2020",
    'red tag:sea -"a phrase" -text:sign -camera:canon': "red tag:sea",
    "red -is:reviewed -type:png is:public": "red is:public",
}


def moment(year: int, month: int = 1) -> datetime:
    return datetime(year, month, 1, tzinfo=UTC)


def numbers_of(asset: Asset) -> set[int]:
    numbers = Embedding.objects.filter(frame__asset=asset, number__gt=0).values_list("number", flat=True)
    return {number for number in numbers if number is not None}


@pytest.fixture
def library(alice: User, bob: User) -> None:
    """Every kind of photo of three people, two of whose names differ in case only."""
    tags = cycle([["Sea"], ["sea", "Straße", "İzmir"], [], ["STRASSE", "dog"]])
    for owner in (alice, bob, person("ALICE")):
        for visibility in ("public", "private"):
            for taken in (None, moment(1960), moment(2019), moment(2020, 6), moment(2021)):
                stored(owner, tags=next(tags), visibility=visibility, taken_at=taken)
    frames = list(Frame.objects.order_by("pk").values_list("pk", flat=True))
    record_colours(frames[::3], [{"red": 0.5, "green": 0.3}] * len(frames[::3]))
    for at, caption in enumerate(
        [{"source": "human"}, {"source": "model", "state": "rejected"}, {"source": "imported"}]
    ):
        Caption.objects.bulk_create(Caption(frame_id=pk, text="a dog", **caption) for pk in frames[at::7])
    refresh(Asset.objects.values_list("pk", flat=True))


class TestTheSameAsTheDatabase:
    @pytest.mark.usefixtures("library")
    @pytest.mark.parametrize("query", _TOLD)
    def test_columns_let_the_same_photos_through(self, alice: User, bob: User, query: str) -> None:
        conditions = parse(query).conditions
        viewers: list[Viewer] = [
            alice,
            bob,
            User.objects.create_user("staff", is_staff=True),
            AnonymousUser(),
            None,
        ]
        for viewer, filters in product(viewers, _FILTERS):
            where = pushdown.where(viewer, filters, conditions)
            assert where is not None
            right = set(allowed(viewer, filters, conditions).values_list("pk", flat=True))
            found = set(assets_where(where, 1_000) or ())
            assert right <= found
            # No column tells when a photo was taken apart from when it was uploaded.
            dated = filters.taken_after is not None or filters.taken_before is not None
            more = Asset.objects.filter(pk__in=found - right)
            assert not (more.exclude(taken_at=None) if dated else more).exists()

    @pytest.mark.parametrize(("query", "told"), _TOLD_IN_PART.items())
    def test_what_a_photo_must_lack_is_left_to_the_database(self, alice: User, query: str, told: str) -> None:
        asked, told_of = (
            pushdown.where(alice, AssetFilters(), parse(one).conditions) for one in (query, told)
        )
        assert asked == told_of is not None

    @pytest.mark.usefixtures("library")
    def test_a_library_from_before_is_filled_with_the_same(self) -> None:
        written = list(AssetColumns.objects.order_by("pk").values_list("pk", *COLUMNS))
        AssetColumns.objects.all().delete()
        for migration in ("0009_asset_columns", "0010_labels"):
            import_module(f"search.migrations.{migration}").fill(apps, None)
        import_module("search.migrations.0013_reviewed").forget(apps, None)
        filled = list(AssetColumns.objects.order_by("pk").values_list("pk", *COLUMNS))
        reviewed = set(assets_reviewed())
        assert filled == [row for row in written if row[0] not in reviewed]
        assert filled != written

    def test_there_are_two_visibilities(self) -> None:
        """Of a third, "not private" would be more than "public"."""
        assert set(Asset.Visibility.values) == {"public", "private"}

    @pytest.mark.parametrize(
        "query",
        [
            'red "a phrase"',
            "red text:sign",
            "red type:jpeg",
            "red camera:canon",
            "red is:unsafe",
            "red -tag:sea",
            "red -word -is:reviewed",
        ],
    )
    def test_what_no_column_tells_is_left_to_the_database(self, alice: User, query: str) -> None:
        assert pushdown.where(alice, AssetFilters(), parse(query).conditions) is None

    def test_what_is_hidden_as_unsafe_is_not_found_though_no_column_tells(
        self, alice: User, bob: User, settings: Any
    ) -> None:
        settings.UNSAFE_PHOTOS = "hide"
        Asset.objects.filter(owner=bob, visibility="public").update(unsafe_score=1.0)
        shown = photo(bob, "a red picture", taken_at=moment(2021))
        found = [match.asset_id for match in search_text(alice, "red by:bob after:2021", limit=50).matches]
        assert found == [shown.pk]


class TestFollowing:
    def columns(self, asset: Asset) -> list[int]:
        return list(AssetColumns.objects.values_list(*COLUMNS).get(asset=asset))

    def test_they_are_written_with_the_words(self, alice: User) -> None:
        asset = photo(alice, taken_at=moment(2020))
        assert self.columns(asset) == [alice.pk, 1, microseconds(moment(2020)), 0, 0, 0, 0]
        undated = photo(alice, visibility="private")
        assert self.columns(undated)[:3] == [alice.pk, 0, microseconds(undated.created_at)]

    def test_a_change_numbers_every_vector_of_the_photo_anew(self, alice: User) -> None:
        asset, other = photo(alice), photo(alice)
        rebuild_index()
        numbers = numbers_of(other)
        asset.visibility = "private"
        asset.save()
        index_frames(asset.frames.values_list("pk", flat=True))
        assert self.columns(asset)[1] == 0
        assert min(numbers_of(asset)) > max(numbers)
        assert numbers_of(other) == numbers

    def test_a_tag_is_searched_within_from_the_next_index_stage_on(self, alice: User, bob: User) -> None:
        many(alice, 150, "a red picture")
        asset, frames = photo(bob, "a red picture"), Frame.objects.filter(asset__owner=bob)
        update_asset(asset, tags=["Sea"])
        assert set(frames_to_index()) == set(frames)
        index_frames(frames.values_list("pk", flat=True))
        assert [match.asset_id for match in search_text(alice, "red tag:sea").matches] == [asset.pk]
        update_asset(asset, tags=[])
        assert search_text(alice, "red tag:sea").matches == []

    def test_another_title_changes_no_number(self, alice: User) -> None:
        asset = photo(alice)
        numbers = numbers_of(asset)
        asset.title = "The sea"
        asset.save()
        index_frames(asset.frames.values_list("pk", flat=True))
        assert numbers_of(asset) == numbers
        assert refresh([asset.pk]) == []

    @pytest.mark.parametrize("engine", ["faiss", "exact"])
    def test_what_was_made_public_is_found_within_what_is_public(
        self, alice: User, bob: User, settings: Any, engine: str
    ) -> None:
        settings.VECTOR_ENGINE = engine
        asset = photo(alice, "a red picture", visibility="private")
        many(alice, 150, "a red picture", visibility="private")
        rebuild_index()
        asset.visibility = "public"
        asset.save()
        index_frames(asset.frames.values_list("pk", flat=True))
        assert [match.asset_id for match in search_text(bob, "red").matches] == [asset.pk]

    def test_what_no_stage_saw_is_named_and_put_right(self, alice: User, bob: User) -> None:
        """Written past the code, or by workers from before there were columns."""
        many(alice, 150, "a red picture", visibility="private")
        asset, other = photo(alice), photo(alice)
        rebuild_index()
        Asset.objects.filter(pk=asset.pk).update(owner=bob)
        AssetColumns.objects.filter(asset=other).delete()
        assert list(frames_to_index()) == list(other.frames.all())
        assert any("columns of 2 photos" in difference.text for difference in check_index())
        assert not heal(check_index())
        assert self.columns(asset)[0] == bob.pk
        assert [match.asset_id for match in search_text(bob, "red by:me").matches] == [asset.pk]

    def test_the_index_says_that_it_holds_other_columns(self, alice: User) -> None:
        asset = photo(alice)
        rebuild_index()
        AssetColumns.objects.filter(asset=asset).update(owner=999)
        assert any("other columns" in difference.text for difference in check_index())

    def test_a_decision_in_a_transaction_of_its_own_has_them_followed(self, alice: User) -> None:
        asset = photo(alice)
        asset.visibility = "private"
        asset.save()
        index_within(asset.frames.values_list("pk", flat=True))
        assert self.columns(asset)[1] == 0
