"""A cross-encoder in the hub's format, tiny and of random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from core import backends
from core.errors import ModelUnavailable
from search.rerankers.base import Candidate
from search.rerankers.cross_encoder import CaptionCrossEncoder
from tests.search import tiny_cross_encoder

CLASS = "search.rerankers.cross_encoder.CaptionCrossEncoder"
CAPTIONS = ("a red picture", "a blue picture", "", "the dog on the beach", "a red picture")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_cross_encoder.write(tmp_path_factory.mktemp("reranker") / "tiny")


def candidates() -> list[Candidate]:
    return [Candidate(at, caption) for at, caption in enumerate(CAPTIONS)]


def test_its_scores_are_the_models_outputs_between_floor_and_ceiling(folder: Path) -> None:
    reranker = CaptionCrossEncoder(str(folder), floor="-4", ceiling="6")
    scores = reranker.score("a red dog", candidates())
    assert reranker.model_id == "tiny"
    assert scores.dtype == np.float32
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    for caption, score in zip(CAPTIONS, scores, strict=True):
        if not caption:
            assert score == 0.0, "it read nothing"
            continue
        with torch.inference_mode():
            raw = float(model(**tokenizer("a red dog", caption, return_tensors="pt")).logits[0, 0])
        assert score == pytest.approx((raw + 4) / 10, abs=1e-5)
    assert len(set(scores.tolist())) == 4, "the tiny model tells captions apart, and equal ones not"


def test_a_score_does_not_depend_on_who_came_along(folder: Path) -> None:
    reranker = CaptionCrossEncoder(str(folder))
    together = reranker.score("the cat", candidates())
    alone = [reranker.score("the cat", [one])[0] for one in candidates()]
    assert together == pytest.approx(alone, abs=1e-5)
    assert len(reranker.score("the cat", [])) == 0


def test_an_endless_query_is_cut_and_an_empty_one_is_read(folder: Path) -> None:
    reranker = CaptionCrossEncoder(str(folder))
    assert np.isfinite(reranker.score("dog " * 2000, candidates())).all()
    assert np.isfinite(reranker.score("", candidates())).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "set model=FOLDER there"),
        ({"model": "nobody/nothing-like-it"}, "Get its weights by `hf download nobody/nothing-like-it`"),
        ({"model": "FOLDER", "floor": "low"}, "must be numbers"),
        ({"model": "FOLDER", "floor": "nan"}, "ceiling in RERANKER_OPTIONS must be above floor"),
        (
            {"model": "FOLDER", "floor": "3", "ceiling": "3"},
            "ceiling in RERANKER_OPTIONS must be above floor",
        ),
    ],
)
def test_what_is_wrong_with_the_options_is_said(folder: Path, options: dict[str, str], message: str) -> None:
    given = {name: value.replace("FOLDER", str(folder)) for name, value in options.items()}
    with pytest.raises(ModelUnavailable, match=message):
        backends.load(CLASS, **given)


def test_a_folder_without_weights_or_with_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelUnavailable, match="The folder must hold config, tokenizer, and weights"):
        CaptionCrossEncoder(str(tmp_path / "empty"))
    three = tiny_cross_encoder.write(tmp_path / "three", outputs=3)
    with pytest.raises(ModelUnavailable, match="has 3 outputs, and not one score"):
        CaptionCrossEncoder(str(three))


def test_pickled_weights_are_never_opened(tmp_path: Path) -> None:
    folder = tiny_cross_encoder.write(tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="safetensors"):
        CaptionCrossEncoder(str(folder))
