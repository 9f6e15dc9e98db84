"""The adversarial stage at toy size: what the discriminator learns, and what the captioner learns from it."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from captioning.captioners.architecture import Architecture
from captioning.captioners.sampling import Sample
from captioning.training import adversarial
from captioning.training.adversarial import AdversarialBatches, Judge, Written
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage
from captioning.training.loop import loss_of
from captioning.training.model import build_model
from captioning.training.optimization import Backward, make_optimizer
from captioning.vision.frames import Features
from core.errors import InvalidInput
from tests.captioning.tiny import SENTENCES, save_tiny_lm

COUNT = 3


@pytest.fixture
def config(tmp_path: Path) -> FinetuneConfig:
    return FinetuneConfig(
        base=str(save_tiny_lm(tmp_path / "lm")),
        architecture=Architecture(visual_side=2, projector_width=16, tags_in_prompt=0, lora_rank=8),
        objective="adversarial",
        start_from="a checkpoint",
        views=("plain",),
        dropout=0.0,
        hint_dropout=0.0,
        captions_per_image=4,
        max_caption_tokens=4,
        learning_rate=1e-2,
        projector_learning_rate=1e-2,
        device="cpu",
    )


@pytest.fixture
def source(config: FinetuneConfig, tmp_path: Path) -> AdversarialBatches:
    model = build_model(replace(config, start_from=""), tmp_path)
    grid = np.random.default_rng(0).normal(size=(COUNT, 81, 1280)).astype(np.float16)
    views = {"plain": Features(grid, np.zeros((COUNT, 1000), np.float32))}
    images = [CaptionedImage(Path(f"{n}.png"), (text,) * 4) for n, text in enumerate(SENTENCES)]
    return AdversarialBatches(images, views, {"plain": [[]] * COUNT}, model, config)


def test_it_learns_which_captions_are_human_and_of_which_picture(source: AdversarialBatches) -> None:
    torch.manual_seed(1)
    judge = Judge(source.model)
    pictures = torch.randn(COUNT, 2560)
    human = [[[10 + row, 20, 30, 0]] for row in range(COUNT)]
    written = Written(
        human=human, own=[[[10 + row, 20, 20, 20]] for row in range(COUNT)], wrong=[*human[1:], human[0]]
    )
    for _ in range(40):
        judge.learn(pictures, written)
    real, fake, wrong = (
        np.array(judge.scores(pictures, each)) for each in (written.human, written.own, written.wrong)
    )
    assert real.min() > 0.8
    assert fake.max() < 0.2
    assert wrong.max() < 0.2


def test_padding_says_nothing(source: AdversarialBatches) -> None:
    judge, pictures = Judge(source.model), torch.randn(2, 2560)
    short, long = [5, 6, 0], [7, 8, 9, 10, 11, 12, 0]
    ((alone,),) = judge.scores(pictures[:1], [[short]])
    (together, _) = judge.scores(pictures, [[short, long], [long]])
    assert together[0] == pytest.approx(alone, abs=1e-6)


def test_a_step_makes_likelier_what_it_prefers(
    source: AdversarialBatches, config: FinetuneConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A discriminator that only likes captions of even tokens, and never learns otherwise."""

    def evenness(self: Judge, pictures: Tensor, captions: Sequence[Sequence[list[int]]]) -> list[list[float]]:
        return [[sum(token % 2 == 0 for token in ids) / len(ids) for ids in own] for own in captions]

    monkeypatch.setattr(Judge, "scores", evenness)
    monkeypatch.setattr(Judge, "learn", lambda *_: None)
    monkeypatch.setattr(adversarial, "LEARNS_FIRST", 0)
    torch.manual_seed(2)
    optimizer, backward = make_optimizer(source.model, config), Backward(source.model, loss_of)
    liked = []
    for step in range(40):
        backward([source._batch(range(COUNT), random.Random(step))])
        optimizer.step()
        optimizer.zero_grad()
        liked.append(source.figures["judged_own"])
    assert np.mean(liked[-10:]) > np.mean(liked[:10]) + 0.15, liked


def test_until_it_has_learned_its_opinion_moves_nobody(source: AdversarialBatches) -> None:
    before = {name: weight.clone() for name, weight in source.judge.net.state_dict().items()}
    batch = source._batch(range(COUNT), random.Random(0))
    assert not batch.weights.any()
    assert any(
        not torch.equal(weight, before[name]) for name, weight in source.judge.net.state_dict().items()
    )
    source.judge.batches = adversarial.LEARNS_FIRST
    assert source._batch(range(COUNT), random.Random(0)).weights.any()


def test_cider_can_have_its_share_of_the_reward(
    source: AdversarialBatches, config: FinetuneConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = [[Sample([5, 6], ended=True), Sample([7], ended=False)]] * COUNT
    monkeypatch.setattr(source.reward, "score", lambda index, text, style: 2.0)
    source.judge.batches = adversarial.LEARNS_FIRST

    def rewards(share: float) -> list[float]:
        source.config = replace(config, adversarial_share=share)
        torch.manual_seed(0)
        picked = [(index, "plain") for index in range(COUNT)]
        return source._rewards(picked, ["normal"] * COUNT, samples, random.Random(0))[0]

    judged = source.judge.scores(source.pooled([(0, "plain")]), [[[5, 6, 0], [7]]])[0]
    assert rewards(0.25) == pytest.approx([0.25 * score + 0.75 * 2.0 for score in judged])
    assert rewards(0.0) == [2.0, 2.0]


def test_it_needs_a_captioner_that_can_write(config: FinetuneConfig) -> None:
    with pytest.raises(InvalidInput, match="objective=adversarial needs start_from"):
        replace(config, start_from="").resolved()
    with pytest.raises(InvalidInput, match="adversarial_share is a share"):
        config.with_overrides(["adversarial_share=2"])
