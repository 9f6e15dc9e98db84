"""What the screen makes of captions as they are written, and anew by its command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from captioning import services
from captioning.captioners.base import CaptionDraft
from captioning.models import Caption
from library.models import Frame
from tests.captioning.described import MODEL, decided, describe, frame_of


@pytest.fixture
def frame(alice: User) -> Frame:
    return frame_of(alice, 0)


def described(frame: Frame, text: str = "a dog runs", confidence: float = 0.9, match: float = 0.3) -> Caption:
    services.record_captions([(frame.pk, CaptionDraft(text, confidence))], MODEL)
    services.record_match_scores({frame.pk: match}, MODEL)
    services.screen([frame.pk], MODEL)
    return Caption.objects.get(frame=frame, model_id=MODEL)


def test_the_screen_accepts_or_sends_to_review_and_says_why(frame: Frame, settings: Any) -> None:
    settings.REVIEW_MIN_CONFIDENCE, settings.REVIEW_MIN_MATCH = 0.4, 0.2
    fine = described(frame)
    assert (fine.state, fine.doubts) == ("auto_accepted", [])
    assert fine.review_priority == pytest.approx(0.1)
    poor = described(frame, "a dog a dog", 0.3, 0.1)
    assert (poor.state, poor.doubts) == ("to_review", ["confidence", "match", "repetition"])
    assert poor.review_priority == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("name", "value", "doubt"),
    [
        ("MIN_CONFIDENCE", 0.95, "confidence"),
        ("MIN_MATCH", 0.31, "match"),
        ("MIN_WORDS", 4, "length"),
        ("MAX_WORDS", 2, "length"),
    ],
)
def test_every_threshold_is_a_setting(
    frame: Frame, settings: Any, name: str, value: float, doubt: str
) -> None:
    assert described(frame).doubts == []
    setattr(settings, f"REVIEW_{name}", value)
    assert described(frame).doubts == [doubt]


def test_thresholds_come_with_the_weights_they_were_chosen_for(
    frame: Frame, settings: Any, tmp_path: Path
) -> None:
    settings.CAPTIONER_CHECKPOINT = str(tmp_path)
    fitted = {
        "model_id": MODEL,
        "thresholds": {"min_confidence": 0.95, "min_match": 0.1, "min_words": 2, "max_words": 9},
        "wrong": {"bias": 3.0, "weights": {"confidence": -2.0, "match": -10.0}},
    }
    (tmp_path / "confidence.json").write_text(json.dumps(fitted))
    caption = described(frame)
    assert caption.doubts == ["confidence"]
    assert caption.review_priority == pytest.approx(1 / (1 + np.exp(1.8)))
    settings.REVIEW_MIN_CONFIDENCE = 0.2
    assert described(frame).doubts == []
    (tmp_path / "confidence.json").write_text(json.dumps(fitted | {"model_id": "another"}))
    settings.REVIEW_MIN_CONFIDENCE = None
    assert described(frame).review_priority == pytest.approx(0.1), (
        "of another model, so the confidence itself tells"
    )


@pytest.mark.parametrize("state", Caption.DECIDED)
def test_the_screen_leaves_what_was_decided(frame: Frame, state: Caption.State) -> None:
    describe(frame, "a")
    decided(frame, state)
    assert services.screen([frame.pk], MODEL) == []
    assert list(services.screen_undecided()) == []
    assert Caption.objects.values_list("state", "doubts").get() == (state, [])


def test_changed_thresholds_are_applied_by_the_command_to_every_model_s_undecided_captions(
    alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(services, "_SCREENED_AT_ONCE", 2)
    frames = [frame_of(alice, shade) for shade in range(4)]
    for frame in frames:
        describe(frame, "a dog runs")
        describe(frame, "a dog runs on the beach", "former")
    Caption.objects.create(frame=frames[0], source="human", text="my dog", state="edited")
    decided(frames[1], Caption.State.REJECTED)
    settings.REVIEW_MIN_CONFIDENCE, settings.REVIEW_MIN_WORDS = 0.5, 4
    call_command("screen_captions")
    told = capsys.readouterr().out.split()
    assert told[:3] == ["7", "captions", "screened."]
    assert Caption.objects.filter(model_id=MODEL, state="to_review").count() == 3
    assert Caption.objects.filter(model_id="former", state="auto_accepted").count() == 4
    assert Caption.objects.filter(state__in=["edited", "rejected"]).count() == 2
    settings.REVIEW_MIN_WORDS = 3
    call_command("screen_captions")
    assert not Caption.objects.filter(state="to_review").exists()
