"""Words of items become vectors, and the nearest are found exactly."""

from datetime import timedelta

import numpy as np
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.contrib.auth.models import User
from django.utils import timezone

from core.errors import ModelUnavailable
from recommender.item_content import checked_content
from recommender.item_index import item_index
from recommender.item_vectors import claim, due, embed_items, encoded, items_without_vectors, parts_of
from recommender.items import delete_item, put_items
from recommender.models import Item, ItemVector, Site
from search.active import active_model_id, configured
from search.encoding import embedder
from search.models import SpaceModel, SpaceSwitch
from tests.recommender.sites import site
from workers import errands

pytestmark = pytest.mark.django_db


def put(of: Site, **titles: str) -> None:
    put_items(of, {name: checked_content({"title": title}) for name, title in titles.items()})


def nearest(of: Site, text: str, k: int = 10) -> list[str]:
    hits = item_index("caption").search(embedder("caption").embed_queries([text])[0], of.pk, k)
    names = Item.objects.in_bulk(hits.frame_ids.tolist())
    return [names[item_id].external_id for item_id in hits.frame_ids.tolist() if item_id in names]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("One. Two.", ["One. Two."]),
        ("One two three. Four five six.", ["One two three.", "Four five six."]),
        ("a paragraph\n\nanother paragraph", ["a paragraph", "another paragraph"]),
        ("words without any end to them at all", ["words without any", "end to them at all"]),
        ("x" * 45, ["x" * 20, "x" * 20, "x" * 5]),
        ("一二三。四五六。", ["一二三。四五六。"]),
    ],
)
def test_long_texts_are_split_where_a_reader_would_pause(text: str, parts: list[str]) -> None:
    assert list(parts_of(text, max_chars=20)) == parts


def test_nothing_of_a_text_is_lost_in_parts() -> None:
    text = " ".join(f"Sentence number {at} ends here." for at in range(400))
    assert " ".join(parts_of(text)).split() == text.split()


def test_a_long_text_counts_in_all_its_parts(shop: Site) -> None:
    text = ("Red roses. " * 60 + "\n\n" + "Blue sea. " * 60).strip()
    item = Item(site=shop, title="", text=text)
    (vector,) = encoded([item], "caption", configured("caption"))
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
    for words in ("red roses", "blue sea"):
        assert float(vector @ embedder("caption").embed_queries([words])[0]) > 0.4


def test_the_title_counts_more_than_one_part_of_a_text(shop: Site) -> None:
    item = Item(site=shop, title="poppies", text="\n\n".join(["nothing of it " * 60] * 5))
    (vector,) = encoded([item], "caption", configured("caption"))
    assert float(vector @ embedder("caption").embed_queries(["poppies"])[0]) > 0.3


def test_what_is_new_or_changed_waits_and_is_encoded_once(shop: Site) -> None:
    put(shop, a="red roses", b="blue sea")
    assert errands.encode_items() == 2
    assert errands.encode_items() == 0
    put(shop, a="red roses", b="green hills")
    assert [item.external_id for item in items_without_vectors()] == ["b"]
    assert nearest(shop, "blue sea")[0] == "b"  # found by its old words until then
    assert errands.encode_items() == 1
    assert nearest(shop, "green hills")[0] == "b"


def test_the_nearest_items_of_one_site_only(shop: Site, bob: User) -> None:
    rival = site(bob, "rival")
    put(shop, a="red roses", b="blue sea", c="roses and the sea")
    put(rival, a="red roses")
    errands.encode_items()
    assert nearest(shop, "red roses") == ["a", "c", "b"]
    assert nearest(rival, "red roses") == ["a"]


def test_the_index_follows_what_is_written_by_others(shop: Site) -> None:
    put(shop, a="red roses")
    errands.encode_items()
    assert nearest(shop, "sea") == ["a"]
    put(shop, b="the sea")
    errands.encode_items()
    assert nearest(shop, "sea", k=1) == ["b"]
    delete_item(shop, "b")
    assert nearest(shop, "sea") == ["a"]


def test_what_is_outdated_or_deleted_does_not_stay_in_memory(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.item_index._FIRST_CAPACITY", 4)
    put(shop, a="red roses", **{f"n{at}": "the sea" for at in range(10)})
    errands.encode_items()
    assert nearest(shop, "red roses", k=1) == ["a"]
    for at in range(40):
        put(shop, a=f"red roses {at}", passing="blue hills")
        errands.encode_items()
        assert nearest(shop, f"red roses {at}", k=1) == ["a"]
        delete_item(shop, "passing")
    view = item_index("caption")._refreshed()
    assert len(view) <= 2 * ItemVector.objects.filter(space="caption").count() + 8


def test_the_index_is_exact(shop: Site) -> None:
    rng = np.random.default_rng(7)
    put(
        shop, **{f"i{at}": " ".join(rng.choice(["red", "sea", "hill", "dog", "sun"], 3)) for at in range(300)}
    )
    errands.encode_items()
    query = embedder("caption").embed_queries(["a dog in the sun"])[0]
    rows = ItemVector.objects.filter(space="caption").values_list("item_id", "vector")
    scores = {item_id: float(np.frombuffer(bytes(vector), dtype="<f4") @ query) for item_id, vector in rows}
    hits = item_index("caption").search(query, shop.pk, 20)
    assert hits.scores.tolist() == pytest.approx(sorted(scores.values(), reverse=True)[:20], abs=1e-4)
    aside = item_index("caption").begin_search(query, shop.pk, 20).result()
    assert (aside.frame_ids.tolist(), aside.scores.tolist()) == (
        hits.frame_ids.tolist(),
        hits.scores.tolist(),
    )


class TestWordsThatCanNotBeEncoded:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        """What the encoder is asked, which fails over poison."""
        asked: list[list[str]] = []
        whole = embedder("caption").embed_queries

        def refuse(texts: list[str]) -> object:
            asked.append(texts)
            if "poison" in texts:
                raise RuntimeError("no")
            return whole(texts)

        monkeypatch.setattr(embedder("caption"), "embed_queries", refuse)
        return asked

    def test_one_item_at_fault_does_not_keep_the_others_waiting(
        self, shop: Site, asked: list[list[str]]
    ) -> None:
        put(shop, a="red roses", b="poison", c="blue sea")
        assert errands.encode_items() == 2
        assert [item.external_id for item in items_without_vectors()] == ["b"]

    def test_it_is_tried_again_later_and_ever_later(self, shop: Site, asked: list[list[str]]) -> None:
        put(shop, b="poison")
        for minutes in (5, 20, 80, 320, 1280, 1440, 1440):
            before = timezone.now()
            assert errands.encode_items() == 0
            wait = Item.objects.get().words_due_at - before  # type: ignore[operator]
            assert timedelta(0) <= wait - timedelta(minutes=minutes) < timedelta(minutes=1)
            asked.clear()
            assert errands.encode_items() == 0
            assert not asked
            assert not due().exists()
            assert due(timezone.now() + timedelta(minutes=minutes)).exists()
            time_comes()

    def test_other_words_are_tried_at_once(self, shop: Site, asked: list[list[str]]) -> None:
        put(shop, b="poison")
        errands.encode_items()
        put(shop, b="blue sea")
        assert due().exists()
        assert errands.encode_items() == 1
        assert Item.objects.filter(words_attempts=0, words_due_at=None).exists()

    def test_what_a_worker_died_over_is_left_alone_and_then_tried_one_by_one(
        self, shop: Site, asked: list[list[str]]
    ) -> None:
        put(shop, a="red roses", b="blue sea")
        assert len(claim(64)) == 2
        assert claim(64) == []
        time_comes()
        put(shop, c="green hills")
        assert errands.encode_items() == 3
        assert sorted(asked[1:]) == [["blue sea"], ["red roses"]]
        assert asked[0] == ["green hills"]

    def test_a_task_whose_time_is_up_ends_and_the_item_waits(
        self, shop: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(shop, a="red roses", b="blue sea")

        def too_long(texts: list[str]) -> object:
            raise SoftTimeLimitExceeded

        monkeypatch.setattr(embedder("caption"), "embed_queries", too_long)
        with pytest.raises(SoftTimeLimitExceeded):
            errands.encode_items()
        assert items_without_vectors().count() == 2
        assert not due().exists()

    def test_nothing_is_put_off_while_a_model_is_missing(
        self, shop: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(shop, a="red roses")

        def missing(*_: object) -> object:
            raise ModelUnavailable("no weights")

        monkeypatch.setattr("recommender.item_vectors.loaded", missing)
        with pytest.raises(ModelUnavailable):
            errands.encode_items()
        assert due().exists()


def time_comes() -> None:
    """What was put off is due."""
    Item.objects.filter(words_attempts__gt=0).update(words_due_at=timezone.now())


def test_a_change_during_the_encoding_is_not_covered_by_it(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(shop, a="red roses")
    whole = embedder("caption").embed_queries

    def change_meanwhile(texts: list[str]) -> object:
        put(shop, a="blue sea")
        return whole(texts)

    monkeypatch.setattr(embedder("caption"), "embed_queries", change_meanwhile)
    assert embed_items(Item.objects.values_list("pk", flat=True)) == 0
    assert items_without_vectors().count() == 1


def test_a_switch_during_the_encoding_does_not_give_vectors_another_model_s_name(
    shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(shop, a="red roses")
    whole = embedder("caption").embed_queries

    def switch_meanwhile(texts: list[str]) -> object:
        other = SpaceModel.objects.create(space="caption", model_id="other", embedder="not.asked.for")
        SpaceSwitch.objects.create(model=other)
        return whole(texts)

    monkeypatch.setattr(embedder("caption"), "embed_queries", switch_meanwhile)
    assert embed_items(Item.objects.values_list("pk", flat=True)) == 1
    assert active_model_id("caption") == "other"
    assert ItemVector.objects.get(space="caption").model_id == "fake-caption"
    assert items_without_vectors().count() == 1
