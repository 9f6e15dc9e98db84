"""Short, normal and detailed captions: shown in training, asked for by the prompt."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from captioning.captioners.architecture import Architecture
from captioning.captioners.visual_lm import STYLES
from captioning.training.batches import BatchSource, in_style
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage
from captioning.training.loop import build_model, loss_of
from captioning.training.self_critical import CiderD, SelfCriticalBatches, words_of
from captioning.vision.frames import Features
from tests.captioning.tiny import save_tiny_lm

LONG = ("A dog runs on the beach.",) * 2
CAPTIONS = (
    "A dog runs on the beach.",
    "A dog.",
    "Two children play with a red ball on the beach.",
    "A red dog.",
)


@pytest.fixture
def config(tmp_path: Path) -> FinetuneConfig:
    return FinetuneConfig(
        base=str(save_tiny_lm(tmp_path / "lm")),
        architecture=Architecture(visual_side=2, projector_width=16, tags_in_prompt=0, lora_rank=16),
        dropout=0.0,
        device="cpu",
        views=("plain",),
        max_caption_tokens=12,
        hint_dropout=0.0,
        style_share=0.5,
    )


def test_a_style_is_shown_by_the_shortest_or_the_longest_captions() -> None:
    assert in_style(CAPTIONS, "short") == ["A dog.", "A red dog."]
    assert in_style(CAPTIONS, "detailed") == [CAPTIONS[2], CAPTIONS[0]]
    assert in_style(CAPTIONS, "normal") == list(CAPTIONS)
    assert in_style(CAPTIONS[:1], "short") == [CAPTIONS[0]]


def test_samples_of_every_style_share_a_batch(
    config: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_model(config, tmp_path)
    count = 12
    grid = np.arange(count, dtype=np.float16)[:, None, None].repeat(81, 1).repeat(1280, 2)
    features = {"plain": Features(grid, np.zeros((count, 1000), np.float32))}
    hints = {"plain": [[f"word{n}"] for n in range(count)]}
    images = [CaptionedImage(Path(f"{n}.png"), CAPTIONS) for n in range(count)]
    source = SelfCriticalBatches(images, features, hints, model, config)
    asked: list[tuple[int, str]] = []

    def noted(index: int, text: str, style: str) -> float:
        asked.append((index, style))
        return float(len(asked))

    monkeypatch.setattr(source.reward, "score", noted)
    batch = source._batch(range(count), random.Random(0))

    told = dict(asked)
    assert set(told.values()) == set(STYLES)
    for row in range(count):
        text = model.tokenizer.decode(batch.ids[row])
        assert text.startswith(f"word{int(batch.seen[row, 0, 0])}{STYLES[told[row]]}")
    assert loss_of(model, batch).isfinite()


def test_a_style_is_rewarded_for_its_captions_and_their_length() -> None:
    reward = CiderD([[words_of(text) for text in CAPTIONS], ["a boat on a lake"], ["two men climb a rock"]])
    short, long = words_of("A red dog."), words_of("Two children play with a ball on the beach.")
    assert reward.score(0, short, "short") > 3 * reward.score(0, long, "short")
    assert reward.score(0, long, "detailed") > 3 * reward.score(0, short, "detailed")
    assert reward.score(0, long, "normal") == reward.score(0, long)


def test_the_prompt_decides_which_sentence_is_written(config: FinetuneConfig, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = build_model(config, tmp_path).train()
    grid = np.random.default_rng(0).normal(size=(4, 81, 1280)).astype(np.float16)
    features = {"plain": Features(grid, np.zeros((4, 1000), np.float32))}
    images = [CaptionedImage(Path(f"{n}.png"), ("A dog.", "A dog.", *LONG)) for n in range(4)]
    source = BatchSource(images, features, {"plain": [["dog"]] * 4}, model, replace(config, style_share=1.0))
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=1e-2)
    for step in range(240):
        loss_of(model, source._batch(range(4), random.Random(step))).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    for style, sentence in (("short", "A dog."), ("detailed", LONG[0])):
        texts, _ = model.generate(
            torch.from_numpy(grid).float(), [["dog"]] * 4, style=style, max_new_tokens=12, do_sample=False
        )
        assert all(text.startswith(sentence) for text in texts), texts  # the frozen head never learns to end
