"""The captioning model at toy size, with random weights: invariants that training relies on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from captioning.captioners import sampling
from captioning.captioners.architecture import Architecture
from captioning.captioners.checkpoint import MANIFEST, WEIGHTS, load_checkpoint, save_checkpoint
from captioning.captioners.decoding import Decoding
from captioning.captioners.language_model import load_base
from captioning.captioners.sampling import sample
from captioning.captioners.visual import VisualCaptioner
from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.captioners.writing import write
from captioning.training.batches import Batch, collate, packed
from captioning.training.config import FinetuneConfig
from captioning.training.loop import loss_of
from captioning.training.model import build_model
from captioning.vision.frames import Features, FrameBatch
from core.errors import ModelUnavailable
from tests.captioning.tiny import save_tiny_lm

ARCHITECTURE = Architecture(visual_side=2, projector_width=16, tags_in_prompt=2, lora_rank=2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_lm(tmp_path_factory.mktemp("lm"))


@pytest.fixture
def model(base: Path, tmp_path: Path) -> VisualLanguageModel:
    config = FinetuneConfig(base=str(base), architecture=ARCHITECTURE, dropout=0.0, device="cpu")
    model = build_model(config, tmp_path)
    model.lm.float()
    with torch.no_grad():  # adapters start as zero; give them something to say
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    return model.eval()


def batch_of(model: VisualLanguageModel, grid: Tensor, captions: list[list[list[int]]]) -> Batch:
    visual, end = model.projector.count, 0
    prompts = [model.prompt_ids(["dog"]), model.prompt_ids(["red ball", "beach"])]
    return collate(grid, [packed(p, c, visual, end) for p, c in zip(prompts, captions, strict=False)], end)


@torch.no_grad()
def test_captions_packed_side_by_side_cost_what_they_cost_alone(model: VisualLanguageModel) -> None:
    torch.manual_seed(1)
    grid = torch.randn(2, 81, 1280)
    captions = [[[5, 6, 7], [9, 10, 11, 12, 13]], [[20, 21], [22, 23, 24]]]
    together = loss_of(model, batch_of(model, grid, captions))
    alone, counts = [], []
    for image, group in enumerate(captions):
        for caption in group:
            lone: list[list[list[int]]] = [[], []]
            lone[image] = [caption]
            one = batch_of(model, grid, lone)
            alone.append(float(loss_of(model, one)))
            counts.append(len(caption) + 1)
    assert float(together) == pytest.approx(np.average(alone, weights=counts), rel=1e-4)


def greedy(model: VisualLanguageModel) -> tuple[Tensor, list[list[str]], list[str], list[float]]:
    """Two pictures with their tags, and what the model says of them, with its confidence."""
    torch.manual_seed(2)
    grid = torch.randn(2, 81, 1280)
    tags = [["dog"], ["red ball", "beach"]]
    texts, confidences = write(model, grid, tags, max_new_tokens=6, do_sample=False)
    return grid, tags, texts, confidences


def test_training_and_generation_see_the_same_model(model: VisualLanguageModel) -> None:
    """Greedy tokens are those whose teacher-forced probability is the highest, also behind left padding."""
    grid, tags, texts, confidences = greedy(model)
    alone = [
        write(model, grid[at : at + 1], tags[at : at + 1], max_new_tokens=6, do_sample=False) for at in (0, 1)
    ]
    assert texts == [one[0][0] for one in alone]
    assert confidences == pytest.approx([one[1][0] for one in alone], rel=1e-3)
    assert all(0 < confidence <= 1 for confidence in confidences)


def test_samples_come_from_the_same_model_as_captions(model: VisualLanguageModel) -> None:
    """With a distribution as sharp as this, every sample is the greedy caption, also behind left padding."""
    with torch.no_grad():
        model.lm.base_model.model.model.norm.weight.mul_(1e6)
    grid, tags, texts, _ = greedy(model)
    samples = sample(model, grid, tags, count=3, max_new_tokens=6)
    assert [len(drawn) for drawn in samples] == [3, 3]
    for text, drawn in zip(texts, samples, strict=True):
        assert {model.tokenizer.decode(sample.ids, skip_special_tokens=True).strip() for sample in drawn} == {
            text
        }


def test_a_sample_that_ends_leaves_the_others_undisturbed(
    model: VisualLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid, tags, texts, _ = greedy(model)
    steps: list[int] = []

    def likeliest(logits: Tensor) -> Tensor:
        steps.append(len(logits))
        token = logits.argmax(dim=-1, keepdim=True)
        if len(steps) == 2:
            token[0] = model.tokenizer.eos_token_id
        return token

    monkeypatch.setattr(sampling, "_drawn", likeliest)
    first, second = sample(model, grid, tags, count=2, max_new_tokens=6)
    assert steps == [4, 4, 3, 3, 3, 3]
    assert [(len(sample.ids), sample.ended) for sample in first] == [(1, True), (6, False)]
    whole = [first[1], *second]
    assert [model.tokenizer.decode(sample.ids).strip() for sample in whole] == [texts[0], texts[1], texts[1]]


def test_folding_the_adapters_in_for_a_while_says_the_same_and_leaves_the_base_as_it_was(
    model: VisualLanguageModel,
) -> None:
    torch.manual_seed(2)
    grid, tags = torch.randn(1, 81, 1280), [["dog"]]
    before = write(model, grid, tags, max_new_tokens=6, do_sample=False)
    with model.merged():
        assert write(model, grid, tags, max_new_tokens=6, do_sample=False)[0] == before[0]
    model.lm.bfloat16()  # where taking the adapters off again does not give back what was there
    kept = {name: weight.clone() for name, weight in model.lm.state_dict().items()}
    with model.merged():
        pass
    assert all(torch.equal(weight, kept[name]) for name, weight in model.lm.state_dict().items())


def test_only_adapters_and_projector_learn(model: VisualLanguageModel) -> None:
    names = model.trained_state()
    assert all("lora_" in name or name.startswith("projector.") for name in names)
    model.train()
    loss_of(model, batch_of(model, torch.randn(2, 81, 1280), [[[5, 6]], [[7, 8]]])).backward()
    assert all(weight.grad is None for weight in model.parameters() if not weight.requires_grad)


def test_a_saved_checkpoint_captions_as_the_trained_model_did(
    model: VisualLanguageModel, base: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    manifest = save_checkpoint(
        folder, model.trained_state(), base=str(base), architecture=ARCHITECTURE, decoding={"num_beams": 2}
    )
    captioner = VisualCaptioner(str(folder), str(tmp_path), device="cpu", decoding=Decoding(max_new_tokens=5))
    assert captioner.model_id == f"{manifest.model_id}-max5"
    torch.manual_seed(3)
    features = Features(torch.randn(3, 81, 1280).half().numpy(), torch.randn(3, 1000).numpy())
    drafts = captioner.caption(FrameBatch(np.zeros((3, 260, 260, 3), np.uint8), features))
    assert len(drafts) == 3
    assert all(0 <= draft.confidence <= 1 for draft in drafts)


def test_damaged_or_foreign_weights_are_refused(
    model: VisualLanguageModel, base: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    save_checkpoint(folder, model.trained_state(), base=str(base), architecture=ARCHITECTURE, decoding={})
    weights = bytearray((folder / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (folder / WEIGHTS).write_bytes(weights)
    with pytest.raises(ModelUnavailable, match="damaged"):
        load_checkpoint(folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(ModelUnavailable, match="finetune_captioner"):
        load_checkpoint(folder)


def test_a_base_whose_weights_could_hold_code_is_refused(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    for file in base.iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).write_bytes(file.read_bytes())
    torch.save(load_file(base / "model.safetensors"), folder / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="safetensors"):
        load_base(str(folder), tmp_path)
