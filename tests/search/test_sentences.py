"""The caption space: the vector of a frame says all that is said of it."""

from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from captioning.vision.frames import Features, FrameBatch
from search.embedders import e5, minilm
from search.embedders.dual import DualEncoder
from search.embedders.sentence import SentenceEncoder

pytestmark = pytest.mark.models

BALL, RIVER, DOG = "A dog runs after a ball.", "A dog jumps into a river.", "A dog is outside."
#: The pictures are not looked at.
UNSEEN = FrameBatch(
    np.zeros((0, 260, 260, 3), np.uint8),
    Features(np.zeros((0, 81, 1280), np.float16), np.zeros((0, 1000), np.float32)),
)


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder(device="cpu")


def test_one_sentence_is_embedded_as_a_query_is_and_none_as_the_empty_one(encoder: SentenceEncoder) -> None:
    vectors = encoder.embed_frames(UNSEEN, [(BALL,), (), ("", BALL)])
    np.testing.assert_allclose(vectors, encoder.embed_queries([BALL, "", BALL]), atol=1e-5)


def test_what_the_sentence_leaves_out_the_others_say_each_half_as_loud_as_the_one_before(
    encoder: SentenceEncoder,
) -> None:
    alone, both, turned, three = encoder.embed_frames(
        UNSEEN, [(DOG,), (DOG, RIVER), (RIVER, DOG), (DOG, RIVER, BALL)]
    )
    river, dog, ball = encoder.embed_queries(["a river", DOG, "a ball"])
    assert both @ river > alone @ river
    assert turned @ river > both @ river
    assert both @ dog > turned @ dog
    assert three @ ball > both @ ball
    dog, river, ball = encoder.embed_queries([DOG, RIVER, BALL])
    expected = dog + river / 2 + ball / 4
    np.testing.assert_allclose(three, expected / np.linalg.norm(expected), atol=1e-5)
    lengths = np.linalg.norm([alone, both, turned, three], axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


def test_photos_of_the_same_sentence_are_told_apart_by_the_others(encoder: SentenceEncoder) -> None:
    vectors = encoder.embed_frames(UNSEEN, [(DOG, BALL), (DOG, RIVER)])
    nearer = vectors @ encoder.embed_queries(["a ball", "a river"]).T
    assert nearer.argmax(axis=0).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("text", "other", "reader"),
    [("two dogs on a beach", "a train", minilm), ("两只狗在沙滩上", "一列火车", e5)],
)
def test_a_query_is_read_once_for_both_spaces(
    text: str, other: str, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences, pictures = SentenceEncoder(device="cpu"), DualEncoder(device="cpu")
    together = sentences.embed_queries([text, other])
    first_layer = reader.shared("cpu").layers[0]
    forward = Mock(side_effect=first_layer.forward)
    monkeypatch.setattr(first_layer, "forward", forward)
    vectors = [each.embed_queries([text]) for each in (pictures, sentences, pictures)]
    assert forward.call_count == 1
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert float(vectors[1][0] @ together[0]) == pytest.approx(1, abs=1e-3)
