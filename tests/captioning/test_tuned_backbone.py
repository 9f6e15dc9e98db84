"""A captioner that trains part of the vision backbone for itself, beside the one that everything else reads."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from captioning.captioners.architecture import Architecture
from captioning.captioners.checkpoint import MANIFEST, read_manifest, save_checkpoint
from captioning.captioners.export import export
from captioning.captioners.visual import VisualCaptioner
from captioning.captioners.writing import write
from captioning.training.batches import BatchSource
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage
from captioning.training.features import cached_features, load_pixels
from captioning.training.loop import loss_of
from captioning.training.model import build_model
from captioning.training.optimization import Backward, make_optimizer
from captioning.training.pictures import DecodedPictures
from captioning.training.self_critical import SelfCriticalBatches
from captioning.vision.backbone import EfficientNetLite2
from captioning.vision.frames import Features, FrameBatch
from core.errors import InvalidInput, ModelUnavailable
from tests.captioning.tiny import SENTENCES, save_tiny_lm

pytestmark = pytest.mark.models

TUNED = ("last_stage", "all")
HINTS = {"plain": [["dog"], ["ball"], ["rock"]]}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_lm(tmp_path_factory.mktemp("lm")))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[CaptionedImage]:
    folder, noise = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for n in range(len(SENTENCES)):
        coarse = Image.fromarray(noise.integers(0, 255, (6, 6, 3), dtype=np.uint8))
        coarse.resize((300, 280)).save(folder / f"{n}.png")
    return [CaptionedImage(folder / f"{n}.png", (text, text)) for n, text in enumerate(SENTENCES)]


@pytest.fixture(scope="module")
def backbone() -> EfficientNetLite2:
    return EfficientNetLite2("cpu")


@pytest.fixture(scope="module")
def pixels(images: list[CaptionedImage]) -> Any:
    return np.stack([load_pixels(image.path) for image in images])


@pytest.fixture(scope="module")
def features(backbone: EfficientNetLite2, pixels: Any) -> Features:
    return backbone.encode(pixels)


def config_of(base: str, kind: str, *overrides: str) -> FinetuneConfig:
    architecture = Architecture(visual_side=2, projector_width=16, lora_rank=2, backbone=kind)
    config = FinetuneConfig(
        base=base, architecture=architecture, views=("plain",), dropout=0.0, hint_dropout=0.0, device="cpu"
    )
    return config.with_overrides(["captions_per_image=2", "max_caption_tokens=8", *overrides])


@pytest.mark.parametrize("kind", TUNED)
def test_until_it_learns_it_sees_what_the_shared_backbone_sees(
    kind: str, base: str, tmp_path: Path, backbone: EfficientNetLite2, features: Features, pixels: Any
) -> None:
    model = build_model(config_of(base, kind), tmp_path)
    assert model.vision is not None
    model.vision.to(backbone.dtype)
    with torch.no_grad():
        grid = model.vision(model.read_of(FrameBatch(pixels, features))).float()
    torch.testing.assert_close(grid, torch.from_numpy(features.grid).float(), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("kind", TUNED)
def test_its_part_learns_with_a_rate_of_its_own_and_is_part_of_the_checkpoint(
    kind: str, base: str, tmp_path: Path, images: list[CaptionedImage], features: Features
) -> None:
    config = config_of(base, kind, "learning_rate=0", "projector_learning_rate=0", "weight_decay=0")
    model = build_model(config, tmp_path).train()
    before = {name: weight.clone() for name, weight in model.trained_state().items()}
    source = BatchSource(images, {"plain": features}, HINTS, model, config)
    optimizer, backward = make_optimizer(model, config), Backward(model, loss_of)
    losses = []
    for _ in range(4):
        losses.append(backward([source._batch(range(3), random.Random(0))]))
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < losses[0]
    moved = {name for name, weight in model.trained_state().items() if not torch.equal(weight, before[name])}
    assert moved == {name for name in before if name.startswith("vision.")}
    assert any("trunk" in name for name in moved) == (kind == "all")


@pytest.mark.parametrize("kind", TUNED)
def test_its_own_samples_teach_it_too(
    kind: str, base: str, tmp_path: Path, images: list[CaptionedImage], features: Features
) -> None:
    config = config_of(base, kind)
    model = build_model(config, tmp_path)
    source = SelfCriticalBatches(images, {"plain": features}, HINTS, model, config)
    batch = source._batch(range(3), random.Random(0))
    batch.weights[:] = 1.0  # random weights write nothing that is worth more than the rest
    Backward(model, loss_of)([batch])
    assert model.vision is not None
    assert all(weight.grad is not None for weight in model.vision.parameters())


def saved(model: Any, base: str, folder: Path) -> Path:
    """A checkpoint whose own part of the backbone is another than the shared one."""
    torch.manual_seed(5)
    state = {
        name: weight * (1 + 0.5 * torch.rand_like(weight)) if name.startswith("vision.") else weight
        for name, weight in model.trained_state().items()
    }
    save_checkpoint(folder, state, base=base, architecture=model.architecture, decoding={"num_beams": 2})
    return folder


@pytest.mark.parametrize("kind", TUNED)
def test_it_captions_with_its_own_eyes_after_one_pass_of_the_shared_backbone(
    kind: str, base: str, tmp_path: Path, backbone: EfficientNetLite2, pixels: Any
) -> None:
    model = build_model(config_of(base, kind), tmp_path)
    captioner = VisualCaptioner(str(saved(model, base, tmp_path / "tuned")), str(tmp_path), device="cpu")
    passes: list[int] = []
    counted = backbone.trunk.register_forward_hook(lambda *_: passes.append(1))
    frames = FrameBatch(pixels, backbone.encode(pixels))
    drafts = captioner.caption(frames)
    counted.remove()
    assert len(passes) == 1

    own, shared = captioner.model, model.eval()
    assert own.vision is not None
    with torch.no_grad():
        grid = own.vision(own.read_of(frames)).float()
        hints = own.hints(frames.features.logits, None)
        texts, _ = write(own, own.read_of(frames), hints, **captioner.decoding)
        assert shared.vision is not None
        assert not torch.allclose(grid, shared.vision(shared.read_of(frames)), rtol=0.1)
    assert [draft.text for draft in drafts] == texts


def test_a_backbone_that_gives_no_map_on_the_way_is_named(base: str, tmp_path: Path, pixels: Any) -> None:
    model = build_model(config_of(base, "last_stage"), tmp_path)
    features = Features(np.zeros((3, 81, 1280), np.float16), np.zeros((3, 1000), np.float32))
    with pytest.raises(ModelUnavailable, match="BACKBONE"):
        model.read_of(FrameBatch(pixels, features))


@pytest.mark.parametrize("kind", TUNED)
def test_the_exported_captioner_sees_the_same(
    kind: str, base: str, tmp_path: Path, backbone: EfficientNetLite2, pixels: Any
) -> None:
    model = build_model(config_of(base, kind), tmp_path)
    trained = saved(model, base, tmp_path / "trained")
    export(trained, tmp_path / "out", tmp_path)
    said = []
    for folder in (trained, tmp_path / "out"):
        captioner = VisualCaptioner(str(folder), str(tmp_path), device="cpu")
        # As a device that multiplies bfloat16 loads them, which not every processor does.
        captioner.model.to(torch.bfloat16).to(torch.float32)
        frames = FrameBatch(pixels, backbone.encode(pixels))
        said.append([draft.text for draft in captioner.caption(frames)])
    assert said[0] == said[1]
    assert any(said[0])


def test_a_checkpoint_with_a_frozen_backbone_can_go_on_without_and_keeps_its_name(
    base: str, tmp_path: Path, features: Features, pixels: Any
) -> None:
    start = build_model(config_of(base, "frozen"), tmp_path)
    with torch.no_grad():
        start.projector.place.normal_()
    folder = tmp_path / "start"
    save_checkpoint(folder, start.trained_state(), base=base, architecture=start.architecture, decoding={})
    config = config_of(base, "last_stage", f"start_from={folder}").resolved()
    model = build_model(config, tmp_path)
    assert model.vision is not None
    torch.testing.assert_close(
        model.projector.place, start.projector.place, rtol=0.01, atol=0.01, check_dtype=False
    )
    frozen = build_model(config_of(base, "frozen", f"start_from={folder}").resolved(), tmp_path)
    assert frozen.vision is None
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    del manifest["architecture"]["backbone"]  # written before there was a choice
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")
    assert read_manifest(folder).architecture.backbone == "frozen"


def test_what_can_not_be_combined_is_answered_with_what_can(base: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="backbone 'half'; allowed: frozen, last_stage, all"):
        FinetuneConfig().with_overrides(["backbone=half"])
    model = build_model(config_of(base, "last_stage"), tmp_path)
    folder = saved(model, base, tmp_path / "tuned")
    with pytest.raises(InvalidInput, match=r"backbone=all .* allowed: frozen, last_stage"):
        config_of(base, "all", f"start_from={folder}").resolved()
    went_on = config_of(base, "frozen", f"start_from={folder}").resolved()
    assert went_on.architecture.backbone == "last_stage"


def test_the_map_on_the_way_joins_features_that_are_cached_already(
    images: list[CaptionedImage], features: Features, tmp_path: Path
) -> None:
    paths = [image.path for image in images]
    cached_features(paths, tmp_path, progress=False)
    (grid_file,) = tmp_path.glob("*.grid.npy")
    written = grid_file.stat().st_mtime_ns
    both = cached_features(paths, tmp_path, trunk=True, progress=False)
    assert both.trunk is not None
    assert features.trunk is not None
    assert grid_file.stat().st_mtime_ns == written
    np.testing.assert_allclose(both.trunk, features.trunk, rtol=0.05, atol=0.5)
    assert not list(tmp_path.glob("*.new"))


def test_pixels_come_in_the_order_in_which_they_are_read_and_each_epoch_crops_anew(
    images: list[CaptionedImage],
) -> None:
    paths = [image.path for image in images]
    pictures = DecodedPictures(paths)
    batches = [[(0, "plain"), (1, "crop")], [(2, "plain")], [(1, "plain"), (0, "crop")], [(2, "crop")]]
    pictures.announce(0, batches)
    for batch in batches[:2]:
        wanted = np.stack([load_pixels(paths[index], view) for index, view in batch])
        np.testing.assert_array_equal(pictures.read(batch).numpy(), wanted)
    unannounced = pictures.read([(2, "crop")]).numpy()
    np.testing.assert_array_equal(unannounced[0], load_pixels(paths[2], "crop"))
    first = pictures.read(batches[2]).numpy()
    pictures.announce(1, batches[2:])
    second = pictures.read(batches[2]).numpy()
    np.testing.assert_array_equal(first[0], second[0])
    assert not np.array_equal(first[1], second[1])
