"""Golden values: those of the published example of the COCO caption evaluation, and of hand calculation."""

import pytest

from captioning.evaluation.metrics import score_captions

WRITTEN = ["A dog runs on the beach.", "Two children play with a red ball.", "A man climbs a rock."]
HUMAN = [
    ["A dog is running on the beach.", "The brown dog runs along the sand."],
    ["Two kids play with a red ball in the park.", "Children playing with a ball."],
    ["A man is climbing a steep rock.", "A climber on a rock face."],
]


def test_a_caption_that_a_person_wrote_scores_full_marks() -> None:
    scores = score_captions(
        [texts[0] for texts in HUMAN], [[texts[0]] for texts in HUMAN], tokenizer="simple"
    )
    assert [scores[f"bleu{n}"] for n in (1, 2, 3, 4)] == pytest.approx([1.0] * 4, abs=1e-6)
    assert scores["rouge_l"] == pytest.approx(1.0)
    assert scores["cider"] == pytest.approx(10.0)  # the scale of CIDEr ends at 10


def test_captions_without_a_common_word_score_nothing() -> None:
    scores = score_captions(["zebra"] * 3, HUMAN, tokenizer="simple")
    assert scores["bleu1"] == pytest.approx(0.0, abs=1e-6)
    assert scores["cider"] == pytest.approx(0.0)


def test_bleu_1_is_clipped_precision_times_the_brevity_penalty() -> None:
    # "the the the the": one "the" is allowed of four, and four words are as long as the reference
    scores = score_captions(["the the the the"], [["the cat sat down"]], tokenizer="simple")
    assert scores["bleu1"] == pytest.approx(0.25, abs=1e-6)


def test_figures_that_need_java_are_left_out_without_it() -> None:
    assert score_captions(WRITTEN, HUMAN, tokenizer="simple")["meteor"] is None


@pytest.mark.java
def test_the_treebank_tokenizer_and_meteor_run_in_java() -> None:
    scores = score_captions(WRITTEN, HUMAN, tokenizer="ptb")
    plain = score_captions(WRITTEN, HUMAN, tokenizer="simple")
    assert scores["cider"] == pytest.approx(plain["cider"])  # these sentences tokenize the same
    assert scores["meteor"] is not None
    assert 0.2 < scores["meteor"] < 0.6
