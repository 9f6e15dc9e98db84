"""Steps: added up, cut where memory ends, sorted by length, averaged, and stopped when nothing gets better."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from captioning.captioners.architecture import Architecture
from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.training.batches import Batch, BatchSource
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage
from captioning.training.loop import loss_of
from captioning.training.model import build_model
from captioning.training.optimization import Backward, make_optimizer, make_schedule
from captioning.vision.frames import Features
from core.errors import InvalidInput
from tests.captioning.tiny import SENTENCES, save_tiny_lm

COUNT = 12


@pytest.fixture
def config(tmp_path: Path) -> FinetuneConfig:
    return FinetuneConfig(
        base=str(save_tiny_lm(tmp_path / "lm")),
        architecture=Architecture(visual_side=2, projector_width=16, lora_rank=2),
        images_per_batch=4,
        views=("plain",),
        dropout=0.0,
        hint_dropout=0.0,
        device="cpu",
    )


@pytest.fixture
def model(config: FinetuneConfig, tmp_path: Path) -> VisualLanguageModel:
    model = build_model(config, tmp_path)
    model.lm.float()
    return model


def source_of(model: VisualLanguageModel, config: FinetuneConfig) -> BatchSource:
    grid = np.random.default_rng(0).normal(size=(COUNT, 81, 1280)).astype(np.float16)
    images = [CaptionedImage(Path(f"{n}.png"), (SENTENCES[n % 3],) * (n % 4 + 1)) for n in range(COUNT)]
    views = {"plain": Features(grid, np.zeros((COUNT, 1000), np.float32))}
    return BatchSource(images, views, {"plain": [["dog"]] * COUNT}, model, config)


def gradients(model: VisualLanguageModel) -> dict[str, torch.Tensor]:
    found = {name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def test_small_batches_added_up_move_the_weights_as_one_large_batch_does(
    model: VisualLanguageModel, config: FinetuneConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captioning.training.optimization.inference_dtype", lambda device: torch.float32)
    whole = source_of(model, config.with_overrides([f"images_per_batch={COUNT}"]))
    large = next(whole.epoch(0))
    in_one = Backward(model, loss_of)(large)
    wanted = gradients(model)
    for pieces in ([large[0].pieces(5)], [large[0].pieces(1)]):
        assert Backward(model, loss_of)(pieces[0]) == pytest.approx(in_one, rel=1e-4)
        for name, gradient in gradients(model).items():
            torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=1e-5)


def test_where_memory_runs_out_the_step_is_done_in_halves_and_that_is_said_once(
    model: VisualLanguageModel,
    config: FinetuneConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("captioning.training.optimization.inference_dtype", lambda device: torch.float32)
    batches = next(source_of(model, config).epoch(0))
    expected = Backward(model, loss_of)(batches)
    wanted, calls = gradients(model), [0]

    def small_memory(model: VisualLanguageModel, batch: Batch) -> torch.Tensor:
        calls[0] += 1
        if (
            len(batch) > 2 or calls[0] == 3
        ):  # once in the middle of a step, with gradients of its first half there
            raise torch.OutOfMemoryError
        return loss_of(model, batch)

    backward = Backward(model, small_memory)
    assert backward(batches) == pytest.approx(expected, rel=1e-4)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=1e-5)
    assert backward.most_pictures == 1
    assert backward(batches) == pytest.approx(expected, rel=1e-4)
    assert capsys.readouterr().out.count("Out of memory") == 2

    def no_memory(model: VisualLanguageModel, batch: Batch) -> torch.Tensor:
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        Backward(model, no_memory)(batches)


def test_an_epoch_shows_every_picture_once_sorted_into_batches_of_like_length(
    model: VisualLanguageModel, config: FinetuneConfig
) -> None:
    source = source_of(model, config)
    orders = [source._chosen(epoch) for epoch in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    for order in orders:
        assert sorted(index for batch in order for index in batch) == list(range(COUNT))
        spans = [[source._length[index] for index in batch] for batch in order]
        spans.sort()
        assert all(max(before) <= min(after) for before, after in pairwise(spans))
    steps = source_of(model, config.with_overrides(["accumulate=2"]))
    assert [len(step) for step in steps.epoch(0)] == [2, 1]
    assert len(steps) == 2
    assert len(list(steps.epoch(0, skip=1))) == 1


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "sgd"])
@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_every_optimizer_follows_every_schedule(
    optimizer: str, schedule: str, model: VisualLanguageModel, config: FinetuneConfig
) -> None:
    config = config.with_overrides([f"optimizer={optimizer}", f"schedule={schedule}", "warmup_steps=4"])
    made = make_optimizer(model, config)
    rates = make_schedule(made, config, 20)
    backward, batches = Backward(model, loss_of), next(source_of(model, config).epoch(0))
    seen, losses = [], []
    for _ in range(20):
        losses.append(backward(batches))
        seen.append(made.param_groups[0]["lr"] / config.learning_rate)
        made.step()
        rates.step()
        made.zero_grad()
    assert losses[-1] < losses[0]
    assert seen[:3] == sorted(seen[:3])
    assert seen[0] == pytest.approx(0.25)
    assert max(seen) <= 1
    if schedule == "constant":
        assert seen[-1] == 1
    else:
        assert seen[-1] < 0.2


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("optimizer=lion", "adamw, adafactor, sgd"),
        ("schedule=step", "cosine, linear, constant"),
        ("epochs=0", "epochs must be at least 1"),
        ("epochs=many", "epochs must be int"),
        ("learning_rate=fast", "learning_rate must be float"),
        ("dropout=2", "share from 0 to 1"),
        ('views=["mirror"]', "plain"),
        ('views=["plain", "sepia"]', "plain, mirror, crop"),
        ("visual_side=12", "from 1 to 9"),
        ("patience=soon", "patience"),
        ("patience=0", "patience must be at least 1"),
        ("images_per_epoch=0", "images_per_epoch must be at least 1"),
        ("max_caption_tokens=0", "max_caption_tokens must be at least 1"),
        ("learning_rate=-1", "learning_rate is a number from 0 on"),
        ("learning_rate=NaN", "learning_rate is a number from 0 on"),
        ("backbone_learning_rate=Infinity", "backbone_learning_rate is a number from 0 on"),
        ("warmup_steps=-2", "warmup_steps is a number from 0 on"),
        ("gradient_clip=0", "gradient_clip must be above 0"),
        ("lora_rank=0", "lora_rank must be at least 1"),
        ("lora_alpha=0", "lora_alpha must be at least 1"),
        ("prefix_length=0", "prefix_length must be at least 1"),
        ("bottleneck_width=0", "bottleneck_width must be at least 1"),
        ("projector_width=0", "projector_width must be at least 1"),
        ("top_layers=0", "top_layers must be at least 1"),
        ("tags_in_prompt=-1", "tags_in_prompt must be at least 0"),
        ("concepts_in_prompt=-1", "concepts_in_prompt must be at least 0"),
        ("views=plain", "views must be a list of words"),
        ("views=5", "views must be a list of words"),
        ("learning_rat=1", "learning_rate"),
    ],
)
def test_a_wrong_configuration_is_told_what_is_allowed(pair: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        FinetuneConfig().with_overrides([pair])


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"objective": "cider"}, "start_from"),
        ({"objective": "cider", "start_from": "x", "captions_per_image": 1}, "captions_per_image"),
    ],
)
def test_a_combination_that_cannot_be_run_says_why(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        FinetuneConfig(**keys).resolved()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"{epochs: 2}", "can't be read as a JSON file"),
        (b"\xff\xfe", "can't be read as a JSON file"),
        (b"[1]", "JSON object of keys and values"),
        (b'{"architecture": "lora"}', "JSON object of keys and values"),
        (b'{"architecture": {"rank": 3}}', "Unknown configuration key 'rank'"),
    ],
)
def test_a_file_that_is_no_configuration_is_told_so(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "config.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        FinetuneConfig.load(file)
