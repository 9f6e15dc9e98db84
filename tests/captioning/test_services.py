"""Captions of models and people side by side, tags, and which sentence stands."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from captioning import active, services
from captioning.captioners.base import CaptionDraft
from captioning.models import AutoTag, Caption
from captioning.selectors import (
    auto_tags_of,
    caption_of,
    frames_without_caption,
    said_of,
    sentences_of,
    spoken_of,
)
from captioning.vision.tags import class_names
from core.errors import InvalidInput, ModelUnavailable, NotAllowed
from library.models import Frame
from tests.captioning.described import MODEL, decided, describe, frame_of


@pytest.fixture
def alice(transactional_db: None) -> User:
    return User.objects.create_user("alice")


@pytest.fixture
def frame(alice: User) -> Frame:
    return frame_of(alice, 0)


def test_a_second_run_replaces_the_first_and_another_model_does_not(frame: Frame) -> None:
    describe(frame, "a dog")
    describe(frame, "a cat")
    describe(frame, "un chat", "other")
    assert sorted(Caption.objects.values_list("model_id", "text")) == [(MODEL, "a cat"), ("other", "un chat")]
    assert caption_of(frame).text == "a cat"  # type: ignore[union-attr]


def test_a_former_model_s_words_stand_until_the_active_one_has_written(frame: Frame) -> None:
    describe(frame, "old words", "former")
    assert caption_of(frame).text == "old words"  # type: ignore[union-attr]
    assert not frames_without_caption().exists(), "a change of model makes nothing wait"
    describe(frame, "new words")
    assert caption_of(frame).text == "new words"  # type: ignore[union-attr]
    Caption.objects.all().delete()
    assert list(frames_without_caption()) == [frame]


def test_a_model_says_its_alternatives_too_and_a_person_their_sentence_alone(
    frame: Frame, alice: User
) -> None:
    assert said_of([frame.pk]) == {frame.pk: ()}
    services.record_captions([(frame.pk, CaptionDraft("a dog", 0.9, ("a wolf", "an animal")))], "m")
    written = Caption.objects.get()
    assert said_of([frame.pk, -1]) == {frame.pk: ("a dog", "a wolf", "an animal"), -1: ()}
    services.edit_caption(frame, "my dog", alice)
    assert said_of([frame.pk]) == {frame.pk: ("my dog",)}
    services.edit_caption(frame, "", alice)
    Caption.objects.filter(pk=written.pk).update(state=Caption.State.REJECTED)
    assert said_of([frame.pk]) == {frame.pk: ()}


def test_a_person_stands_over_an_import_and_an_import_over_the_model(frame: Frame, alice: User) -> None:
    describe(frame, "model")
    Caption.objects.create(frame=frame, source="imported", text="imported")
    assert caption_of(frame).text == "imported"  # type: ignore[union-attr]
    assert services.edit_caption(frame, "  by  hand\n", alice).text == "by hand"  # type: ignore[union-attr]
    assert caption_of(frame).text == "by hand"  # type: ignore[union-attr]
    assert spoken_of([frame.pk]) == {frame.pk: ("by hand",)}
    describe(frame, "model again")
    assert caption_of(frame).text == "by hand"  # type: ignore[union-attr]


def test_empty_words_give_the_model_its_say_back(frame: Frame, alice: User) -> None:
    describe(frame, "model")
    services.edit_caption(frame, "by hand", alice)
    assert services.edit_caption(frame, " ", alice).text == "model"  # type: ignore[union-attr]
    assert not Caption.objects.filter(source="human").exists()


def test_only_the_owner_may_edit_and_not_without_end(frame: Frame, alice: User) -> None:
    with pytest.raises(NotAllowed):
        services.edit_caption(frame, "mine now", User.objects.create_superuser("root"))
    with pytest.raises(InvalidInput) as refusal:
        services.edit_caption(frame, "x" * (services.CAPTION_MAX_CHARS + 1), alice)
    assert refusal.value.field == "caption"
    assert caption_of(frame) is None


def test_many_sentences_are_one_query(alice: User, django_assert_num_queries: Any) -> None:
    frames = [frame_of(alice, shade) for shade in range(3)]
    for frame in frames:
        describe(frame, f"frame {frame.pk}")
    with django_assert_num_queries(1):
        sentences = sentences_of([frame.pk for frame in frames])
    assert {frame_id: sentence.text for frame_id, sentence in sentences.items()} == {
        frame.pk: f"frame {frame.pk}" for frame in frames
    }


def test_a_match_score_belongs_to_one_model_s_words_and_goes_with_them(frame: Frame) -> None:
    describe(frame, "a dog")
    describe(frame, "un chien", "other")
    services.record_match_scores({frame.pk: 0.25}, MODEL)
    assert dict(Caption.objects.values_list("model_id", "match_score")) == {MODEL: 0.25, "other": None}
    describe(frame, "a wolf")
    assert Caption.objects.get(model_id=MODEL).match_score is None


def logits_of(**scores: float) -> Any:
    row = np.zeros((1, 1000), dtype=np.float32)
    for name, score in scores.items():
        row[0, next(at for at, names in enumerate(class_names()) if name in names)] = score
    return row


def test_sure_classes_become_tags_and_a_second_run_replaces_them(frame: Frame, settings: Any) -> None:
    settings.TAG_MIN_CONFIDENCE = 0.3
    services.record_auto_tags([frame.pk], logits_of(strawberry=20, lemon=20))
    assert {tag.name for tag in auto_tags_of([frame.pk])[frame.pk]} == {"strawberry", "lemon"}
    services.record_auto_tags([frame.pk], logits_of(lemon=20, fig=1))
    (tag,) = AutoTag.objects.all()
    assert (tag.name, tag.model_id) == ("lemon", "fake-backbone")
    assert tag.confidence > 0.99


def test_nothing_sure_is_no_tag(frame: Frame) -> None:
    services.record_auto_tags([frame.pk], logits_of())
    assert auto_tags_of([frame.pk]) == {}


def test_the_active_id_is_read_from_the_checkpoint_s_card(settings: Any, tmp_path: Path) -> None:
    settings.CAPTIONER_MODEL_ID, settings.CAPTIONER_CHECKPOINT = None, str(tmp_path)
    with pytest.raises(ModelUnavailable, match="finetune_captioner"):
        active.active_caption_model_id()
    (tmp_path / "model.json").write_text(json.dumps({"model_id": "trained-1"}))
    assert active.active_caption_model_id() == "trained-1", "a failure is not remembered"


def test_captions_can_be_read_without_the_model_that_wrote_them(
    frame: Frame, settings: Any, tmp_path: Path
) -> None:
    describe(frame, "a dog")
    settings.CAPTIONER_MODEL_ID, settings.CAPTIONER_CHECKPOINT = None, str(tmp_path)
    assert caption_of(frame).text == "a dog"  # type: ignore[union-attr]


def test_a_captioner_that_is_another_than_configured_is_refused(settings: Any) -> None:
    settings.CAPTIONER_MODEL_ID = "expected"
    with pytest.raises(ModelUnavailable, match="expected"):
        services.captioner()


def test_an_accepted_sentence_stands_before_what_the_active_model_wrote(frame: Frame) -> None:
    describe(frame, "an old dog", "former")
    decided(frame, Caption.State.ACCEPTED, "former")
    describe(frame, "a cat")
    assert sentences_of([frame.pk])[frame.pk].text == "an old dog"
    assert spoken_of([frame.pk]) == {frame.pk: ("an old dog",)}


def test_a_rejected_sentence_does_not_stand_and_neither_does_one_behind_it(frame: Frame) -> None:
    describe(frame, "an old dog", "former")
    describe(frame, "a cat")
    decided(frame, Caption.State.REJECTED)
    assert sentences_of([frame.pk]) == {}


@pytest.mark.parametrize("state", Caption.DECIDED)
def test_a_model_that_looks_again_leaves_what_was_decided(frame: Frame, state: Caption.State) -> None:
    describe(frame, "a dog")
    decided(frame, state)
    describe(frame, "a cat")
    assert Caption.objects.values_list("text", "state").get() == ("a dog", state)


def test_a_decision_that_is_made_while_a_model_looks_again_is_not_overwritten(frame: Frame) -> None:
    describe(frame, "a dog")
    deciding = threading.Event()

    def decide() -> None:
        with transaction.atomic():
            decided(frame, Caption.State.REJECTED)
            deciding.set()
            time.sleep(0.3)
        connection.close()

    person = threading.Thread(target=decide)
    person.start()
    deciding.wait()
    describe(frame, "a cat")
    services.screen([frame.pk], MODEL)
    person.join()
    assert Caption.objects.values_list("text", "state").get() == ("a dog", "rejected")


def test_wiping_a_model_spares_what_a_person_accepted(frame: Frame, alice: User) -> None:
    other = frame_of(alice, 90)
    describe(frame, "a dog")
    describe(other, "a cat")
    decided(frame, Caption.State.ACCEPTED)
    assert services.delete_captions([frame.pk, other.pk], MODEL) == 1
    assert Caption.objects.get().text == "a dog"
