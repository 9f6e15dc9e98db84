"""Every way to adapt the language model, at toy size: what it trains, that it learns, that it writes as it learned."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from captioning.captioners.architecture import METHODS, PROJECTORS, Architecture
from captioning.captioners.checkpoint import load_checkpoint, save_checkpoint
from captioning.captioners.sampling import sample
from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.captioners.writing import write
from captioning.training.batches import BatchSource
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage
from captioning.training.loop import loss_of
from captioning.training.model import build_model
from captioning.training.optimization import Backward, RankBudget, make_optimizer
from captioning.vision.frames import Features
from core.errors import InvalidInput
from core.narrowing import narrowed, widened
from tests.captioning.tiny import SENTENCES, save_tiny_lm

HINTS = [["dog"], ["red ball", "children"], ["rock"]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_lm(tmp_path_factory.mktemp("lm")))


def config_of(base: str, *overrides: str) -> FinetuneConfig:
    architecture = Architecture(
        visual_side=2, projector_width=32, bottleneck_width=8, top_layers=1, lora_rank=4
    )
    config = FinetuneConfig(base=base, architecture=architecture, dropout=0.0, hint_dropout=0.0, device="cpu")
    return config.with_overrides(["learning_rate=1e-2", "projector_learning_rate=1e-2", *overrides])


def model_of(config: FinetuneConfig, cache: Path) -> VisualLanguageModel:
    model = build_model(config, cache)
    model.lm.float()
    return model


def source_of(model: VisualLanguageModel, config: FinetuneConfig) -> BatchSource:
    grid = np.random.default_rng(0).normal(size=(3, 81, 1280)).astype(np.float16)
    images = [CaptionedImage(Path(f"{n}.png"), (sentence,)) for n, sentence in enumerate(SENTENCES)]
    views = {"plain": Features(grid, np.zeros((3, 1000), np.float32))}
    return BatchSource(images, views, {"plain": HINTS}, model, config)


def stirred(model: VisualLanguageModel) -> VisualLanguageModel:
    """What starts as nothing says something: an untrained adapter would hide every mistake."""
    torch.manual_seed(7)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad and not name.startswith("projector."):
                weight.add_(torch.randn_like(weight) * 0.2)
    return model.eval()


@torch.no_grad()
def greedily(model: VisualLanguageModel, grid: torch.Tensor, hints: Sequence[str], length: int) -> list[int]:
    """Token by token through the path that training takes, without any cache."""
    written: list[int] = []
    visual = model.projector(grid)
    for _ in range(length):
        text = model.embed_text(torch.tensor([[*model.prompt_ids(hints), *written]]))
        embeds = torch.cat([visual, text], dim=1)
        size = embeds.shape[1]
        mask = torch.ones(1, 1, size, size, dtype=torch.bool).tril()
        hidden = model.hidden_states(embeds, mask, torch.arange(size)[None])
        written.append(int(model.lm.get_output_embeddings()(hidden[0, -1]).argmax()))
        if written[-1] == model.tokenizer.eos_token_id:
            break
    return written


@pytest.mark.parametrize("projector", PROJECTORS)
@pytest.mark.parametrize("method", METHODS)
def test_it_writes_by_the_same_weights_that_training_moved(
    method: str, projector: str, base: str, tmp_path: Path
) -> None:
    config = config_of(base, f"method={method}", f"projector={projector}")
    model = stirred(model_of(config, tmp_path))
    grid = torch.randn(2, 81, 1280, generator=torch.Generator().manual_seed(1))
    options: dict[str, Any] = {"max_new_tokens": 6, "do_sample": False}
    texts, _ = write(model, grid, HINTS[:2], num_beams=1, **options)  # of unequal length: one is padded
    for row, text in enumerate(texts):
        ids = greedily(model, grid[row : row + 1], HINTS[row], 6)
        assert model.tokenizer.decode(ids, skip_special_tokens=True).strip() == text
    beams, _ = write(model, grid, HINTS[:2], num_beams=2, **options)
    alone = [write(model, grid[n : n + 1], [HINTS[n]], num_beams=2, **options)[0][0] for n in (0, 1)]
    assert beams == alone
    with model.merged():
        merged, _ = write(model, grid, HINTS[:2], num_beams=1, **options)
    assert merged == texts
    torch.manual_seed(0)
    assert [len(one) for one in sample(model, grid, HINTS[:2], count=2, max_new_tokens=4)] == [2, 2]


@pytest.mark.parametrize("method", METHODS)
def test_it_learns_and_leaves_alone_what_is_not_its_own(method: str, base: str, tmp_path: Path) -> None:
    config = config_of(base, f"method={method}")
    model = model_of(config, tmp_path).train()
    optimizer, backward = make_optimizer(model, config), Backward(model, loss_of)
    ranks = RankBudget(model, 30) if method == "adalora" else None
    source = source_of(model, config)
    own = set(model.trained_state())
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    losses = []
    for step in range(30):
        losses.append(backward([source._batch(range(3), random.Random(step))]))
        if ranks:
            ranks.regularize()
        optimizer.step()
        if ranks:
            ranks.allocate(step)
        optimizer.zero_grad()
    assert losses[-1] < 0.8 * losses[0], losses
    after = model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    tied = {name.replace("model.embed_tokens", "lm_head") for name in moved}  # one tensor, two names
    assert tied <= own
    in_the_language_model = any(not name.startswith("projector.") for name in moved)
    assert in_the_language_model == (method != "projector_only")
    if ranks:
        kept = [int((weight != 0).sum()) for name, weight in after.items() if "lora_E" in name]
        assert sum(kept) == config.architecture.lora_rank * len(kept)


@pytest.mark.parametrize("method", METHODS)
def test_a_checkpoint_brings_back_the_same_captions(method: str, base: str, tmp_path: Path) -> None:
    config = config_of(base, f"method={method}")
    model = stirred(model_of(config, tmp_path))
    with torch.no_grad():
        model.load_trained_state(widened(narrowed(model.trained_state())))  # as precise as they are stored
    save_checkpoint(
        tmp_path / "out", model.trained_state(), base=base, architecture=config.architecture, decoding={}
    )
    manifest, weights = load_checkpoint(tmp_path / "out")
    again = model_of(FinetuneConfig(base=base, architecture=manifest.architecture, device="cpu"), tmp_path)
    with torch.no_grad():
        again.load_trained_state(weights)
    again.eval().merge()
    grid = torch.randn(3, 81, 1280, generator=torch.Generator().manual_seed(1))
    options: dict[str, Any] = {"max_new_tokens": 6, "do_sample": False}
    assert write(again, grid, HINTS, **options)[0] == write(model, grid, HINTS, **options)[0]


def test_an_unknown_method_is_named_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="lora, adalora, prefix"):
        FinetuneConfig().with_overrides(["method=magic"])


def test_more_layers_than_there_are_can_not_be_trained(base: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="top_layers is from 1 to 2"):
        build_model(config_of(base, "method=top_layers", "top_layers=3"), tmp_path)
