"""How like two things are, whatever they are; and why, in words."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.scoring.copies import Trait, without_near_copies
from recommender.scoring.reasons import reason_for, shared_phrase
from recommender.scoring.relatedness import Example, Known, query_vector, related, variety
from search.keywords.words import STOP_WORDS


def unit(*values: float) -> NDArray[np.float32]:
    vector = np.array(values, dtype=np.float32)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


X, Y = unit(1, 0), unit(0, 1)


def test_photos_are_compared_by_look_and_caption() -> None:
    seed = Known(look=X, caption=X)
    like, unlike = Known(look=X, caption=X), Known(look=Y, caption=Y)
    judged = related([Example(seed)], [unlike, like])
    assert judged.scores[1] > judged.scores[0]
    assert judged.worths["look"][1] > 0 > judged.worths["look"][0]


def test_an_article_without_picture_meets_a_photo_by_its_caption_and_its_look() -> None:
    article = Known(words=X, words_look=X)
    fits, not_so = Known(look=X, caption=X), Known(look=Y, caption=Y)
    for seed, candidates in [([article], [fits, not_so]), ([fits], [article, Known(words=Y, words_look=Y)])]:
        judged = related([Example(one) for one in seed], candidates)
        assert judged.scores[0] > judged.scores[1]
        assert {name for name, values in judged.worths.items() if values[0] > 0} == {"said", "pictured"}


def test_what_is_not_known_neither_helps_nor_hurts() -> None:
    judged = related([Example(Known(look=X, tags=frozenset({"a"})))], [Known(), Known(look=Y)])
    assert judged.scores[0] == 0.0
    assert judged.scores[1] < 0


def test_what_is_not_wanted_counts_against() -> None:
    candidates = [Known(look=unit(1, 1)), Known(look=unit(1, -1))]
    alone = related([Example(Known(look=X))], candidates).scores
    assert alone[0] == pytest.approx(alone[1], abs=1e-5)
    against = related([Example(Known(look=X)), Example(Known(look=Y), weight=-1.0)], candidates).scores
    assert against[1] > against[0]


def test_a_weight_is_a_share() -> None:
    candidates = [Known(look=X), Known(look=Y)]
    examples = [Example(Known(look=X), 3.0), Example(Known(look=Y), 1.0)]
    scores = related(examples, candidates).scores
    assert scores[0] > scores[1]
    vector = query_vector(examples, lambda one: one.look)
    assert vector is not None
    assert vector[0] == pytest.approx(3 * vector[1])
    assert query_vector(examples, lambda one: one.caption) is None


def test_what_two_repeat_of_each_other_is_a_cosine() -> None:
    vectors = variety([Known(look=X, words=X), Known(look=X, words=Y), Known(look=Y), Known()])
    assert (vectors @ vectors.T)[0].tolist() == pytest.approx([1.0, 0.5, 0.0, 0.0], abs=1e-6)
    assert variety([Known(), Known()]).shape == (2, 1)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("A dog runs on a beach at dusk.", "a dog lies on a beach", "a dog on a beach"),
        ("a dog on a beach", "A dog on a beach.", "a dog on a beach"),
        ("a dog in the snow", "a dog in the water", "a dog"),
        ("a man with a hat", "the cat is on a mat", ""),
        ("two dogs run near water", "two dogs in the water", "two dogs, water"),
        ("", "a dog", ""),
    ],
)
def test_the_phrase_that_two_captions_share(one: str, other: str, shared: str) -> None:
    assert shared_phrase(one, other, STOP_WORDS) == shared


@pytest.mark.parametrize(
    ("seed", "other", "worths", "reason"),
    [
        (
            Known(sentence="a dog on a beach"),
            Known(sentence="a dog on the beach"),
            {"look": 2.0, "caption": 1.0},
            "both show a dog on a beach",
        ),
        (
            Known(tags=frozenset({"sea", "sun"})),
            Known(tags=frozenset({"sun", "sea", "x"})),
            {"tags": 1.0},
            "both are tagged sea and sun",
        ),
        (
            Known(title="Walks in Norway"),
            Known(title="A walk in norway"),
            {"text": 1.0},
            "both are about walks and norway",
        ),
        (Known(), Known(), {"look": 1.0, "caption": 0.5}, "they look alike"),
        (Known(), Known(), {"look": -1.0}, "about similar things"),
        (Known(), Known(), {"pictured": 1.0}, "the picture looks like what the words are about"),
    ],
)
def test_reasons_in_words(seed: Known, other: Known, worths: dict[str, float], reason: str) -> None:
    assert reason_for(seed, other, worths, STOP_WORDS) == reason


def test_copies_are_left_out_and_plain_pictures_of_two_colours_are_none() -> None:
    flat = "8000000000000000"
    traits = [
        Trait("a", flat, look=X),
        Trait("b", flat, look=Y),
        Trait("c", "800000000000000f", look=X),
        Trait("a", "ffffffffffffffff"),
        Trait(title="said", words=X),
        Trait("d", title="said", words=X),
        Trait("e", title="said", words=Y),
    ]
    assert without_near_copies(range(7), traits, [], most=9) == [0, 1, 4, 6]
    assert without_near_copies(range(7), traits, [Trait("e"), Trait(title="said", words=X)], most=9) == [0, 1]
    assert without_near_copies(range(7), traits, [], most=2) == [0, 1]
