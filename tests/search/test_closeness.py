"""The cut-off by itself: evidence, limits, and how both are fitted on a split."""

from pathlib import Path

import numpy as np
import pytest

from captioning.training.dataset import CaptionedImage
from core.errors import InvalidInput
from search.active import CHECKPOINTS
from search.closeness import Cutoff, Limit, evidence_of, reach, read_cutoff, scores_of_assets
from search.evaluation.concepts import concepts_of
from search.evaluation.cutoff import fitted_cutoff, questions
from search.evaluation.ingest import Query
from search.fusion import Calibration, Hit
from search.verdict import CUTOFF


def test_evidence_is_the_best_and_the_mean_of_the_best_three() -> None:
    evidence = evidence_of({"image": [0.1, 0.4, 0.2, 0.3], "keyword": [0.6]}, photos=4)
    assert evidence == pytest.approx(
        {"image": 0.4, "image_several": 0.3, "keyword": 0.6, "keyword_several": 0.2}
    )


def test_fewer_photos_than_three_are_no_worse_for_it() -> None:
    assert evidence_of({"image": [0.4, 0.2]}, photos=2)["image_several"] == pytest.approx(0.3)
    assert evidence_of({"image": [0.4]}, photos=1)["image_several"] == 0.4
    assert evidence_of({"image": []}, photos=1) == {"image": 0.0, "image_several": 0.0}


def test_a_video_counts_by_its_best_frame() -> None:
    assert sorted(scores_of_assets([Hit(1, 0.2), Hit(2, -0.1), Hit(1, 0.5)])) == [-0.1, 0.5]


def test_more_photos_must_reach_more_and_one_limit_is_enough() -> None:
    steep, flat = Limit(0.0, 1.0), Limit(2.0, 0.1)
    cutoff = Cutoff({"image": 10.0}, (steep, flat), {})
    assert reach(1) == 0.0
    assert reach(1000) == pytest.approx(3.717, abs=1e-3)
    assert cutoff.is_close({"image": 0.05}, photos=1)
    assert not cutoff.is_close({"image": 0.05}, photos=10)
    assert cutoff.is_close({"image": 0.24}, photos=1000)  # by the flat one
    assert not cutoff.is_close({"image": 0.23}, photos=1000)


def test_the_shipped_cutoff_can_be_read_and_weighs_nothing_against_a_query() -> None:
    cutoff = read_cutoff(CHECKPOINTS / CUTOFF)
    assert cutoff is not None
    assert set(cutoff.models) == {"image", "caption"}
    assert all(weight > 0 for weight in cutoff.weights.values())
    assert evidence_of({"image": [], "caption": [], "keyword": []}, 1).keys() >= cutoff.weights.keys()


def images(*captions: tuple[str, ...]) -> list[CaptionedImage]:
    return [CaptionedImage(Path(f"{at}.jpg"), each) for at, each in enumerate(captions)]


def test_concepts_are_things_that_people_name_and_count() -> None:
    seen = images(
        ("A kite is in the air .", "A red kite ."),
        ("Somebody flies two kites .", "The sky is blue ."),
        ("A kite at the beach .", "A sunny day ."),
        *[("Somebody runs over there .", "It is green .")] * 12,
    )
    (concept,) = concepts_of(seen)
    assert (concept.word, concept.phrase, concept.sentence) == ("kite", "a kite", "A kite is in the air .")
    assert concept.shown.nonzero()[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "why",
    [
        [("A kite .",)] * 2 + [("It is green .",)] * 12,  # too few
        [("A kite .",)] * 5 + [("It is green .",)] * 12,  # of too many nobody says that it is missing
        [("A kite runs .", *["It is green ."] * 4)] * 3 + [("It is green .",)] * 12,  # people don't agree
        [("The kite .",)] * 3 + [("It is green .",)] * 12,  # never counted
        [("A kite flyer runs .",)] * 3 + [("It is green .",)] * 12,  # not the thing itself
    ],
)
def test_what_is_no_concept(why: list[tuple[str, ...]]) -> None:
    with pytest.raises(InvalidInput, match="No thing is named"):
        concepts_of(images(*[tuple(one) for one in why]))


@pytest.mark.parametrize("signal", ["image", "caption"])
def test_the_fitted_cutoff_tells_what_is_there_from_what_was_taken_away(signal: str) -> None:
    names = [chr(97 + at) * 4 for at in range(20)]
    seen = images(*[(f"A {names[at // 6]} .", f"Some {names[at // 6]} .") for at in range(120)])
    concepts = concepts_of(seen)
    assert [concept.word for concept in concepts] == names
    queries = [Query(text, at) for at, image in enumerate(seen) for text in image.captions]
    asked = questions(queries, concepts)
    owners = np.array([query.asset_id for query in asked])
    scores = _scores(asked, seen, signal)
    weights = {name: Calibration(0.5, 0.0, 1.0) for name in scores}
    cutoff = fitted_cutoff(scores, owners, concepts, weights, {"image": "one"})
    assert cutoff.models == {"image": "one"}
    assert max(cutoff.weights, key=cutoff.weights.__getitem__).startswith(signal)
    assert all(limit.growth >= 0 for limit in cutoff.limits)
    there = {name: matrix[len(queries)] for name, matrix in scores.items()}
    away = {name: row[~concepts[0].shown] for name, row in there.items()}
    assert cutoff.is_close(evidence_of({name: row.tolist() for name, row in there.items()}, 120), 120)
    assert not cutoff.is_close(evidence_of({name: row.tolist() for name, row in away.items()}, 114), 114)


def _scores(
    asked: list[Query], seen: list[CaptionedImage], signal: str
) -> dict[str, np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    """Chance in all signals, and in one of them half a point more for photos that show what is asked for."""
    random = np.random.default_rng(0)
    shape = (len(asked), len(seen))
    scores = {
        name: (random.random(shape) * 0.3).astype(np.float32) for name in ("image", "caption", "keyword")
    }
    for row, query in enumerate(asked):
        for column, image in enumerate(seen):
            named = set(query.text.split()) & set(image.captions[0].split())
            scores[signal][row, column] += 0.5 * bool(named - {"A", "a", "."})
    return scores
