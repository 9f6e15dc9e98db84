"""What a reviewer decides is what searches find, from the commit of the decision on."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from pytest_django import Settings

from captioning import review, services
from captioning.captioners.base import CaptionDraft
from captioning.models import Caption
from captioning.selectors import caption_of
from core.errors import Conflict
from core.locks import named_lock
from library.models import Frame
from search import indexing, keywords, labels
from search.columns import assets_where
from search.index.where import Where
from search.models import Embedding, IndexPosition
from search.selectors import frames_to_index
from search.services import rebuild_index, search_text
from tests.captioning.checkpoints import MakeVersion
from tests.workers.conftest import MakeAssets
from tests.workers.words import (
    decided,
    during_models,
    frames_searchable,
    near,
    promoted,
    rolled_back,
    run_stages,
    said,
    search_agrees,
    to_review,
)
from workers import pipeline, rewording, runner, stages

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def doubted(make_assets: MakeAssets) -> Caption:
    """The caption of a red picture, which is searchable, beside two others."""
    return to_review(frames_searchable(make_assets, "red", "blue", "green")[0])


def has_word(frame: Frame, word: str) -> bool:
    found = keywords.ask(keywords.query_words(word)).best(100, among=[frame.asset_id])
    return frame.asset_id in dict(found)


@pytest.mark.parametrize("sealed", [False, True])
def test_a_rejected_caption_is_found_neither_by_its_words_nor_by_its_vector(
    doubted: Caption, alice: User, sealed: bool
) -> None:
    if sealed:
        rebuild_index()
    frame = doubted.frame
    assert near(frame, "a red picture")
    assert has_word(frame, "red")
    decided(alice, doubted, "reject")
    assert not near(frame, "a red picture")
    assert not has_word(frame, "red")
    assert search_agrees(frame, "")
    reasons = {match.asset_id: match.why for match in search_text(alice, "a red picture").matches}
    assert reasons[frame.asset_id].get("keyword", 0) == 0
    assert has_word(frame, "strawberry"), "what the classifier saw is not what was rejected"
    assert not frames_to_index().exists(), "nothing is left for a worker"


def test_an_edit_is_found_by_its_new_words_and_undoing_brings_back_the_old(
    doubted: Caption, alice: User
) -> None:
    frame = doubted.frame
    decided(alice, doubted, "edit", "poppies behind the house")
    assert near(frame, "poppies behind the house")
    assert has_word(frame, "poppies")
    assert not near(frame, "a red picture")
    assert not has_word(frame, "red")
    pipeline.followed_at_once(lambda: review.undo(alice))
    assert near(frame, "a red picture")
    assert has_word(frame, "red")
    assert not has_word(frame, "poppies")


def test_a_decision_that_fails_changes_nothing_that_is_found(
    doubted: Caption, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(asset_ids: object) -> int:
        raise Conflict("the last step fails")

    monkeypatch.setattr(keywords, "refresh", broken)
    with pytest.raises(Conflict):
        decided(alice, doubted, "reject")
    doubted.refresh_from_db()
    assert doubted.state == "to_review"
    assert near(doubted.frame, "a red picture")
    assert has_word(doubted.frame, "red")


def test_what_was_accepted_is_found_as_reviewed_at_once_and_costs_no_vector(
    doubted: Caption, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewed = Where(tuple((one,) for one in labels.having(labels.REVIEWED)))
    monkeypatch.setattr(rewording, "_embedded", None)
    decided(alice, doubted, "accept")
    assert assets_where(reviewed, 10) == [doubted.frame.asset_id]
    assert not frames_to_index().exists()
    pipeline.followed_at_once(lambda: review.undo(alice))
    assert assets_where(reviewed, 10) == []


def test_a_busy_index_writer_keeps_no_decision_waiting(
    doubted: Caption, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "_WRITER_TIMEOUT_S", 0.1)
    with named_lock("index-writer", 1):
        decided(alice, doubted, "reject")
        assert not near(doubted.frame, "a red picture")
        assert not has_word(doubted.frame, "red")


def test_numbers_rise_through_decisions_and_stages_alike(
    doubted: Caption, alice: User, make_assets: MakeAssets
) -> None:
    last = IndexPosition.objects.get().last_number
    decided(alice, doubted, "reject")
    decision = Embedding.objects.filter(frame=doubted.frame).values_list("number", flat=True)
    assert set(decision) == {last + 1, last + 2, last + 3}, "that it was reviewed stands beside each vector"
    make_assets("white")
    run_stages()
    numbers = set(Embedding.objects.values_list("number", flat=True))
    assert len(numbers) == Embedding.objects.count()
    assert max(number or 0 for number in numbers) == IndexPosition.objects.get().last_number == last + 6


def test_decisions_and_the_index_stage_at_once_give_each_number_once(
    alice: User, make_assets: MakeAssets
) -> None:
    captions = [to_review(frame) for frame in frames_searchable(make_assets, "red", "blue", "green", "white")]
    fresh = make_assets("black", "grey")
    for stage in (pipeline.FRAMES, pipeline.DESCRIBE):
        runner.drain(stages.lane_of(stage))
    last = IndexPosition.objects.get().last_number
    start = threading.Barrier(len(captions) + 1)

    def act(caption: Caption | None) -> None:
        try:
            start.wait()
            if caption is None:
                indexing.index_frames([asset.frames.get().pk for asset in fresh])
            else:
                decided(alice, caption, "reject")
        finally:
            connection.close()

    with ThreadPoolExecutor(len(captions) + 1) as threads:
        list(threads.map(act, [None, *captions]))
    numbers = sorted(number or 0 for number in Embedding.objects.values_list("number", flat=True))
    assert numbers[-18:] == list(range(last + 1, last + 19)), "three for each fresh photo and each decision"
    assert IndexPosition.objects.get().last_number == last + 18
    assert not any(near(caption.frame, caption.text) for caption in captions)


def test_what_was_never_indexed_is_left_to_the_index_stage(make_assets: MakeAssets, alice: User) -> None:
    (asset,) = make_assets("red")
    for stage in (pipeline.FRAMES, pipeline.DESCRIBE):
        runner.drain(stages.lane_of(stage))
    frame = asset.frames.get()
    decided(alice, to_review(frame), "reject")
    assert not IndexPosition.objects.exists()
    run_stages()
    assert search_agrees(frame, "")


def test_described_again_a_rejected_caption_stays_silent(doubted: Caption, alice: User) -> None:
    decided(alice, doubted, "reject")
    pipeline.ask_for(pipeline.DESCRIBE, [doubted.frame_id])
    run_stages()
    assert caption_of(doubted.frame) is None
    assert search_agrees(doubted.frame, "")


def test_a_rejection_while_models_look_is_embedded_afterwards(
    doubted: Caption, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.ask_for(pipeline.DESCRIBE, [doubted.frame_id])
    during_models(monkeypatch, lambda: decided(alice, doubted, "reject"))
    runner.drain(stages.lane_of(pipeline.DESCRIBE))
    runner.drain(stages.lane_of(pipeline.DESCRIBE, express=True))
    run_stages()
    assert search_agrees(doubted.frame, "")


def test_a_sentence_of_the_next_model_stands_after_a_rejection(
    doubted: Caption, alice: User, settings: Settings
) -> None:
    decided(alice, doubted, "reject")
    settings.CAPTIONER_MODEL_ID = "next"
    services.record_captions([(doubted.frame_id, CaptionDraft("a red wall", 0.5))], "next")
    assert caption_of(doubted.frame).text == "a red wall"  # type: ignore[union-attr]


@pytest.mark.usefixtures("shipped")
def test_a_rollback_to_a_rejected_sentence_and_wiping_it(
    registered: MakeVersion, make_assets: MakeAssets, alice: User, shipped: str
) -> None:
    (asset,) = make_assets("red")
    run_stages()
    frame = asset.frames.get()
    decided(alice, to_review(frame), "reject")
    elm = registered("elm")
    promoted(elm)
    pipeline.ask_for(pipeline.DESCRIBE, [frame.pk])
    run_stages()
    assert said(frame) == "elm"
    rolled_back()
    assert caption_of(frame) is None
    assert search_agrees(frame, ""), "what the other model said does not stand, either"
    promoted(elm)
    assert search_agrees(frame, caption_of(frame).text)  # type: ignore[union-attr]
    rolled_back()
    promoted(registered("fir", cider=0.9))
    pipeline.wipe_captions(shipped)
    assert said(frame) == "elm"
    assert search_agrees(frame, caption_of(frame).text)  # type: ignore[union-attr]


def test_deciding_within_a_transaction_that_rolls_back_leaves_search_as_it_was(
    doubted: Caption, alice: User
) -> None:
    with transaction.atomic():
        decided(alice, doubted, "reject")
        transaction.set_rollback(True)
    assert near(doubted.frame, "a red picture")
    assert has_word(doubted.frame, "red")
