"""Search by words: the same answers on both databases."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model

from captioning.models import Caption
from library import asset_store
from library.models import Asset
from search import keywords
from search.indexing import index_frames, mark_stale
from search.keywords import query_words
from search.models import AssetColumns, KeywordDocument, SuggestedWords
from search.selectors import frames_to_index
from tests.search.photos import many, person, photo, stored

pytestmark = pytest.mark.django_db


def words(asset: Asset, **fields: str) -> int:
    """Gives an asset a document of these words; returns its id."""
    KeywordDocument.objects.update_or_create(asset=asset, defaults=fields)
    return asset.pk


def found(query: str, limit: int = 50) -> list[int]:
    return [asset_id for asset_id, _ in keywords.ask(query_words(query)).best(limit)]


def scores(query: str) -> dict[int, float]:
    return dict(keywords.ask(query_words(query)).best(50))


class TestMatching:
    @pytest.mark.parametrize(
        ("document", "query"),
        [
            ("two dogs running", "dog runs"),
            ("a puppy and its babies", "baby puppies"),
            ("people riding bicycles", "bicycle ride"),
            ("cafe in paris", "Caf\u00e9"),
            ("\u732b \u3068 \u72ac", "\u72ac"),
            ("\u043a\u043e\u0442", "\u041a\u043e\u0442"),
            ("3d printer 2024", "2024"),
        ],
    )
    def test_forms_of_a_word_are_one_word(self, alice: User, document: str, query: str) -> None:
        asset_id = words(stored(alice), captions=document)
        words(stored(alice), captions="something else")
        assert found(query) == [asset_id]

    def test_any_of_the_words_will_do_and_more_is_better(self, alice: User) -> None:
        both = words(stored(alice), captions="a cup of coffee on a table")
        one = words(stored(alice), captions="a cup on a table")
        words(stored(alice), captions="a dog on a table")
        assert found("a cup of coffee") == [both, one]

    def test_a_rare_word_weighs_more_than_a_common_one(self, alice: User) -> None:
        for _ in range(8):
            words(stored(alice), captions="a dog in a field")
        giraffe = words(stored(alice), captions="a giraffe in a zoo")
        assert found("dog giraffe")[0] == giraffe

    def test_in_a_library_of_two_pictures_words_count_too(self, alice: User) -> None:
        cup, other = words(stored(alice), captions="a cup"), words(stored(alice), captions="a dog")
        assert found("red cup") == [cup]
        assert scores("red cup")[cup] > 0.1
        assert found("dog") == [other]

    def test_names_that_people_gave_weigh_most_and_descriptions_least(self, alice: User) -> None:
        described = words(stored(alice), description="a harbour somewhere")
        captioned = words(stored(alice), captions="a harbour somewhere")
        named = words(stored(alice), names="a harbour somewhere")
        tagged = words(stored(alice), auto_tags="a harbour somewhere")
        words(stored(alice), captions="nothing of it")
        assert found("harbour") == [named, tagged, captioned, described]

    def test_scores_lie_between_nothing_and_one(self, alice: User) -> None:
        whole = words(
            stored(alice), captions="cup coffee", names="cup coffee", auto_tags="cup coffee espresso cup"
        )
        half = words(stored(alice), captions="a cup of tea")
        known = scores("cup of coffee")
        assert 0.5 < known[whole] < 1
        assert 0 < known[half] < known[whole]

    def test_an_unfinished_last_word_finds_what_begins_so(self, alice: User) -> None:
        coffee = words(stored(alice), captions="a mug of coffee")
        words(stored(alice), captions="a mug of tea")
        assert found("coff") == [coffee]
        assert found("mug cof")[0] == coffee

    def test_a_whole_word_is_not_taken_for_the_beginning_of_others(self, alice: User) -> None:
        cat = words(stored(alice), captions="a cat")
        words(stored(alice), captions="a caterpillar among cattle")
        assert found("cat") == [cat]

    def test_only_the_last_word_may_be_unfinished(self, alice: User) -> None:
        words(stored(alice), captions="coffee")
        tea = words(stored(alice), captions="tea")
        assert found("coff tea") == [tea]

    def test_unknown_words_find_nothing(self, alice: User) -> None:
        words(stored(alice), captions="a cup")
        assert found("zebra crossing") == []
        assert keywords.ask([]).best(10) == []

    def test_of_some_assets_only(self, alice: User) -> None:
        ids = [words(stored(alice), captions="a cup") for _ in range(4)]
        question = keywords.ask(["cup"])
        assert {asset_id for asset_id, _ in question.best(10, among=ids[1:3])} == set(ids[1:3])
        assert question.best(10, among=[]) == []

    def test_the_best_come_first_up_to_the_limit(self, alice: User) -> None:
        for _ in range(3):
            words(stored(alice), captions="a cup among many other things on a long table with plates")
        best = words(stored(alice), captions="a cup", names="cup")
        assert found("cup", limit=1) == [best]


class TestPromising:
    """The quick look that finds candidates in a large library."""

    def library(self, alice: User) -> list[int]:
        """Many dogs, some of them on a beach, one of those running."""
        assets = [stored(alice) for _ in range(60)]
        texts = ["a cat"] * 30 + ["a dog"] * 10 + ["a dog on a beach"] * 19 + ["a dog running on a beach"]
        KeywordDocument.objects.bulk_create(
            KeywordDocument(asset=asset, captions=text) for asset, text in zip(assets, texts, strict=True)
        )
        return [asset.pk for asset in assets]

    def test_ranks_by_all_words_what_holds_the_rarest(self, alice: User) -> None:
        ids = self.library(alice)
        question = keywords.ask(["dog", "running", "beach"])
        found = question.promising(3)
        assert found == question.best(3)
        assert found[0][0] == ids[-1]
        assert {asset_id for asset_id, _ in found} <= set(ids[40:])

    def test_goes_on_to_common_words_where_rare_ones_give_too_few(self, alice: User) -> None:
        ids = self.library(alice)
        question = keywords.ask(["dog", "running", "beach"])
        assert len(question.promising(25)) == 25
        assert {asset_id for asset_id, _ in question.promising(25)} >= set(ids[40:])
        assert question.promising(100) == question.best(100)
        assert len(question.promising(100)) == 30

    def test_scores_others_beside_them_in_one_go(self, alice: User) -> None:
        ids = self.library(alice)
        question = keywords.ask(["dog", "running", "beach"])
        known = dict(question.best(60))
        found = question.promising(3, beside=[ids[0], ids[35]])
        assert dict(found) == {asset_id: known[asset_id] for asset_id in (*dict(question.best(3)), ids[35])}
        assert found[-1][0] == ids[35]

    def test_where_rare_words_stand_in_the_same_few_documents(self, alice: User) -> None:
        both = [words(stored(alice), captions="cup saucer") for _ in range(5)]
        for _ in range(20):
            words(stored(alice), captions="table")
        question = keywords.ask(["cup", "saucer", "table"])
        assert len(question.promising(8)) == 8
        assert {asset_id for asset_id, _ in question.promising(2)} <= set(both)


class TestTheIndexFollowsTheTable:
    def test_updates(self, alice: User) -> None:
        asset = stored(alice)
        words(asset, captions="a red cup")
        words(asset, captions="a blue mug")
        assert (found("cup"), found("mug")) == ([], [asset.pk])

    def test_bulk_writes_and_upserts(self, alice: User) -> None:
        asset, other = stored(alice), stored(alice)
        for text in ("cup", "mug"):
            KeywordDocument.objects.bulk_create(
                [KeywordDocument(asset=one, captions=text) for one in (asset, other)],
                update_conflicts=True,
                unique_fields=["asset"],
                update_fields=["captions"],
            )
        KeywordDocument.objects.filter(asset=other).update(captions="glass")
        assert (found("cup"), found("mug"), found("glass")) == ([], [asset.pk], [other.pk])

    def test_deleting_an_asset_deletes_its_words(self, alice: User) -> None:
        asset = stored(alice)
        words(asset, captions="a cup")
        asset.delete()
        assert found("cup") == []

    def test_deleting_an_owner_deletes_them_too(self, alice: User) -> None:
        words(stored(alice), captions="a cup")
        alice.delete()
        assert found("cup") == []


class TestDocuments:
    def test_hold_what_all_wrote(self, alice: User) -> None:
        asset = photo(
            alice,
            "A tabby, asleep",
            title="Our Cat",
            tags=["Pets", "Sofa"],
            description="Best of friends",
            auto_tags=[("tabby", "tabby cat"), ("Egyptian cat", "")],
            original_name="IMG_2041.jpg",
        )
        document = asset.keyword_document
        assert document.names == "our cat pets sofa"
        assert document.captions == "a tabby asleep"
        assert document.auto_tags == "tabby tabby cat egyptian cat"
        assert document.description == "best of friends"

    def test_a_persons_caption_stands_for_the_models(self, alice: User) -> None:
        asset = photo(alice, "a dog")
        Caption.objects.create(frame=asset.frames.get(), source=Caption.Source.HUMAN, text="Rex the wolf")
        keywords.refresh([asset.pk])
        assert found("wolf") == [asset.pk]
        assert found("dog") == []

    def test_refreshing_what_is_gone_is_no_error(self, alice: User) -> None:
        assert keywords.refresh([999]) == 0


class TestStaleness:
    def stale(self) -> list[int]:
        return list(frames_to_index().values_list("asset_id", flat=True))

    def test_nothing_is_stale_after_indexing(self, alice: User) -> None:
        photo(alice)
        assert self.stale() == []

    @pytest.mark.parametrize("change", [{"title": "New"}, {"description": "New"}, {"tags": ["new"]}])
    def test_changed_words_make_it_stale_and_indexing_heals(
        self, alice: User, change: dict[str, object]
    ) -> None:
        asset, _ = photo(alice), photo(alice)
        asset_store.update_asset(asset, **change)  # type: ignore[arg-type]
        assert self.stale() == [asset.pk]
        index_frames(frames_to_index().values_list("pk", flat=True))
        assert self.stale() == []
        assert found("new") == [asset.pk]

    def test_a_caption_by_a_person_makes_it_stale(self, alice: User) -> None:
        asset = photo(alice)
        Caption.objects.create(frame=asset.frames.get(), source=Caption.Source.HUMAN, text="my house")
        assert self.stale() == [asset.pk]

    def test_a_change_that_committed_late_is_still_seen(self, alice: User) -> None:
        """Its time lies before the document's writing, as with a transaction that began earlier."""
        asset = photo(alice)
        earlier = asset.updated_at - timedelta(seconds=30)
        Asset.objects.filter(pk=asset.pk).update(title="late", updated_at=earlier)
        assert self.stale() == [asset.pk]

    def test_marking_by_hand(self, alice: User) -> None:
        asset = photo(alice)
        mark_stale([asset.pk])
        assert self.stale() == [asset.pk]

    def test_what_is_not_described_yet_is_not_to_index(self, alice: User) -> None:
        stored(alice, title="waiting")
        assert self.stale() == []


def test_a_long_query_over_many_documents_is_one_statement_with_many_words(alice: User) -> None:
    many(person("carol"), 30, "red blue green picture")
    query = " ".join(f"word{number}" for number in range(31)) + " green"
    assert len(found(query)) == 30


def test_documents_from_when_a_dotless_i_stayed_one_are_read_anew(alice: User) -> None:
    photo(alice)
    old = photo(alice, tags=["K\u0131z"])
    KeywordDocument.objects.filter(asset=old).update(names="k\u0131z")
    assert not keywords.stale_asset_ids()
    import_module("search.migrations.0011_dotless_i").forwards(apps, None)
    assert list(keywords.stale_asset_ids()) == [old.pk]
    index_frames(frames_to_index().values_list("pk", flat=True))
    assert found("KIZ") == [old.pk]


@pytest.mark.parametrize("model", [KeywordDocument, AssetColumns, SuggestedWords])
def test_what_is_kept_of_an_asset_is_found_by_the_rows_own_number(alice: User, model: type[Model]) -> None:
    """On SQLite, which else looks for it twice."""
    if connection.vendor != "sqlite":
        return
    photo(alice).delete()
    asset = photo(alice)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT rowid, asset_id FROM {model._meta.db_table}")  # noqa: S608
        assert cursor.fetchall() == [(asset.pk, asset.pk)]
        cursor.execute(
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'search_keyword_fts%%'"
        )
        assert cursor.fetchone() == (3,)
