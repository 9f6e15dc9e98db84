"""The concept head on made features: it learns words, says the striking ones, and never marks its own homework."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from captioning.captioners.architecture import Architecture
from captioning.captioners.checkpoint import load_checkpoint, save_checkpoint
from captioning.captioners.concepts import ConceptHead, pooled_grid
from captioning.captioners.writing import write
from captioning.training.concepts import ConceptData, concept_vocabulary, learned_hints
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage
from captioning.training.model import build_model
from captioning.vision.frames import Features
from tests.captioning.tiny import save_tiny_lm

THINGS = ("dog", "beach", "bicycle", "guitar")
COUNT = 160


def thing_of(at: int) -> str:
    return THINGS[at // 2 % 4]


def image(*captions: str) -> CaptionedImage:
    return CaptionedImage(Path("a.jpg"), captions)


@pytest.fixture(scope="module")
def images() -> list[CaptionedImage]:
    return [image(f"A {thing_of(at)} in the sun .", f"The {thing_of(at)} .") for at in range(COUNT)]


@pytest.fixture(scope="module")
def features() -> Features:
    """Each thing lights up a channel of its own somewhere in the picture."""
    random = np.random.default_rng(0)
    grid = random.normal(0, 0.1, (COUNT, 81, 1280)).astype(np.float16)
    for at in range(COUNT):
        grid[at, random.integers(81), (at // 2 % 4) * 300 : (at // 2 % 4) * 300 + 40] = 4.0
    return Features(grid, random.normal(size=(COUNT, 1000)).astype(np.float32))


def test_the_vocabulary_leaves_out_what_nearly_every_picture_has_and_what_hardly_any_has(
    images: list[CaptionedImage],
) -> None:
    assert concept_vocabulary(images) == tuple(sorted(THINGS))
    assert concept_vocabulary([*images, image("A zeppelin .")]) == tuple(sorted(THINGS))


def test_pictures_are_scored_by_heads_that_never_saw_them_and_still_rightly(
    images: list[CaptionedImage], features: Features
) -> None:
    words = concept_vocabulary(images)
    scores = ConceptData(images, {"plain": features}, words).held_out(seed=0)["plain"]
    right = [words[scores[at].argmax()] == thing_of(at) for at in range(COUNT)]
    assert np.mean(right) > 0.9

    misled = [image("A guitar .") if at == 0 else one for at, one in enumerate(images)]
    other = ConceptData(misled, {"plain": features}, words).held_out(seed=0)["plain"]
    np.testing.assert_array_equal(scores[0], other[0])
    assert not np.array_equal(scores[1], other[1])


def test_the_same_seed_gives_the_same_head_and_leaves_the_callers_random_numbers_alone(
    images: list[CaptionedImage], features: Features
) -> None:
    data = ConceptData(images, {"plain": features}, THINGS)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, second = data.fit(seed=3), data.fit(seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name]), name


def test_a_word_is_striking_where_it_is_likelier_than_elsewhere() -> None:
    head = ConceptHead(3)
    head.usual.copy_(torch.tensor([0.6, 0.05, 0.05]))
    scores = torch.tensor([[0.6, 0.4, 0.01]]).logit()
    assert head.striking(scores, 2).tolist() == [[1, 0]]
    assert head.striking(scores, 8).shape == (1, 3)


def test_a_model_hints_at_what_its_head_reads_and_a_checkpoint_keeps_the_head(
    images: list[CaptionedImage], features: Features, tmp_path: Path
) -> None:
    config = FinetuneConfig(
        base=str(save_tiny_lm(tmp_path / "lm")),
        architecture=Architecture(
            visual_side=2, projector_width=16, tags_in_prompt=1, concepts_in_prompt=1, lora_rank=2
        ),
        device="cpu",
    ).resolved(concept_vocabulary(images))
    model = build_model(config, tmp_path).eval()
    held_out = learned_hints(model, images, {"plain": features}, config)["plain"]
    hints = model.hints(features.logits, model.concept_scores(features))
    assert [len(words) for words in hints] == [2] * COUNT
    for seen in (held_out, hints):
        assert np.mean([words[1] == thing_of(at) for at, words in enumerate(seen)]) > 0.9

    save_checkpoint(
        tmp_path / "out",
        model.trained_state(),
        base=config.base,
        architecture=config.architecture,
        decoding={},
    )
    manifest, weights = load_checkpoint(tmp_path / "out")
    again = build_model(FinetuneConfig(start_from=str(tmp_path / "out"), device="cpu").resolved(), tmp_path)
    assert manifest.architecture == config.architecture
    assert set(weights) == set(model.trained_state())
    assert again.eval().hints(features.logits, again.concept_scores(features)) == hints


def test_of_several_beams_the_one_that_agrees_with_the_picture_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = Architecture(visual_side=2, projector_width=16, lora_rank=2, concepts=THINGS)
    config = FinetuneConfig(base=str(save_tiny_lm(tmp_path / "lm")), architecture=architecture, device="cpu")
    model = build_model(config, tmp_path).eval()
    scores = torch.tensor([[3.0, -3.0, -3.0, -3.0], [-3.0, 3.0, -3.0, -3.0]])
    here, not_here = math.log(2 / (1 + math.exp(-3))), math.log(2 / (1 + math.exp(3)))
    agreed = model.agreement(["A dog.", "A dog, a beach.", "A dog.", "Beach, beach"], scores)
    assert agreed.tolist() == pytest.approx([here, here + not_here, not_here, here])

    seen: list[str] = []

    def last_beam(texts: list[str], scores: torch.Tensor) -> torch.Tensor:
        seen.extend(texts)
        return torch.tensor([0.0, 0.0, 1.0]).repeat(len(scores))

    monkeypatch.setattr(model, "agreement", last_beam)
    grid, hints = torch.randn(2, 81, 1280), [["dog"], ["beach"]]
    beams: dict[str, Any] = {"num_beams": 3, "max_new_tokens": 6, "do_sample": False}
    plain, _ = write(model, grid, hints, scores, **beams)
    assert plain == [text.strip() for text in seen[::3]], "agreement that counts for nothing changes nothing"
    seen.clear()
    chosen, _ = write(model, grid, hints, scores, concept_agreement=100.0, **beams)
    assert chosen == [text.strip() for text in seen[2::3]]
    assert write(model, grid, hints, None, concept_agreement=100.0, **beams)[0] == plain


def test_pooling_keeps_what_shows_in_one_cell_only() -> None:
    grid = torch.zeros(1, 81, 1280)
    grid[0, 40, 7] = 8.1
    pooled = pooled_grid(grid)[0]
    assert float(pooled[7]) == pytest.approx(0.1)
    assert float(pooled[1280 + 7]) == pytest.approx(8.1)
