"""A whole fine-tuning at toy size: a random language model, four made pictures, the real backbone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import captioning.training
from captioning.captioners.checkpoint import load_checkpoint, read_manifest, save_checkpoint
from captioning.captioners.confidence import CONFIDENCE
from captioning.captioners.decoding import Decoding
from captioning.captioners.visual import VisualCaptioner
from captioning.training import adversarial
from captioning.training.alone import alone_in
from captioning.training.checkpoint import load_training_state
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionDataset, read_dataset
from captioning.training.finetune import dev_cider, finetune_and_export
from captioning.training.history import CURVES, HISTORY
from captioning.training.loop import Evaluation, finetune
from captioning.training.model import build_model
from captioning.vision.backbone import EfficientNetLite2
from captioning.vision.frames import FrameBatch
from captioning.vision.pixels import square_pixels
from core.errors import Conflict, InvalidInput
from tests.captioning.interrupting import trained_in_pieces
from tests.captioning.tiny import four_walls, quick_config, save_tiny_lm

pytestmark = pytest.mark.models

STYLES_CONFIG = Path(captioning.training.__file__).with_name("styles.json")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> CaptionDataset:
    return read_dataset(four_walls(tmp_path_factory.mktemp("dataset"), "A {} wall ."))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> FinetuneConfig:
    return quick_config(save_tiny_lm(tmp_path_factory.mktemp("lm")), epochs=40)


def test_no_two_processes_train_in_one_folder(
    dataset: CaptionDataset, config: FinetuneConfig, cache: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with alone_in(run), pytest.raises(Conflict, match="Another process trains"):
        finetune_and_export(dataset, config, run, cache, tmp_path / "out")
    with alone_in(run):
        assert [file.name for file in run.iterdir()] == ["lock"], "nothing was begun"


def test_it_learns_to_tell_four_walls_apart(
    dataset: CaptionDataset, config: FinetuneConfig, cache: Path, tmp_path: Path
) -> None:
    manifest = finetune_and_export(dataset, config, tmp_path / "run", cache, tmp_path / "out")
    assert manifest is not None
    captioner = VisualCaptioner(
        str(tmp_path / "out"), str(cache), device="cpu", decoding=Decoding(num_beams=1)
    )
    pixels = [square_pixels(Image.open(image.path)) for image in dataset.split("dev")]
    batch = np.stack(pixels)
    drafts = captioner.caption(FrameBatch(batch, EfficientNetLite2("cpu").encode(batch)))
    assert len({draft.text for draft in drafts}) >= 3, [draft.text for draft in drafts]
    with Image.open(tmp_path / "run" / CURVES) as curves:
        assert curves.width > 100
    rows = [json.loads(line) for line in (tmp_path / "run" / HISTORY).read_text().splitlines()]
    assert sum("score" in row for row in rows) == config.epochs
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("backbone=last_stage", 'views=["plain", "crop"]'),
        ("backbone=all", 'views=["plain", "colour"]'),
        ("objective=adversarial", "dropout=0.1", "max_caption_tokens=6"),
    ],
)
def test_a_run_that_was_interrupted_ends_as_one_that_was_not(
    overrides: tuple[str, ...],
    dataset: CaptionDataset,
    config: FinetuneConfig,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adversarial, "LEARNS_FIRST", 2)
    short = config.with_overrides(["epochs=3", *overrides])
    finetune(dataset, short, tmp_path / "whole", cache)

    saving = replace(short, checkpoint_every_s=0)
    at_the_end_of_an_epoch, within_one = 2, 3  # of six steps, two an epoch
    trained_in_pieces(
        lambda told: finetune(dataset, saving, tmp_path / "broken", cache, told=told),
        at_the_end_of_an_epoch,
        within_one,
    )

    whole, broken = load_training_state(tmp_path / "whole"), load_training_state(tmp_path / "broken")
    assert whole is not None
    assert broken is not None
    assert broken.progress["step"] == whole.progress["step"] == 6
    for name, weight in whole.weights.items():
        torch.testing.assert_close(broken.weights[name], weight, msg=name)
    assert whole.held is not None
    assert broken.held is not None
    if short.objective == "adversarial":
        one, other = (held["movers"]["discriminator"] for held in (whole.held, broken.held))
        assert one["batches"] == other["batches"] == 6
        for name, weight in one["net"].items():
            torch.testing.assert_close(other["net"][name], weight, msg=name)


def test_a_run_goes_on_with_the_values_it_began_with(
    dataset: CaptionDataset, config: FinetuneConfig, cache: Path, tmp_path: Path
) -> None:
    """Weights of one configuration under the name of another would be a captioner that nobody can train again."""
    begun = config.with_overrides(["epochs=1"])
    finetune(dataset, begun, tmp_path, cache)
    with pytest.raises(InvalidInput, match=r"began with epochs=1, lora_rank=\d+\. .*--run"):
        finetune(dataset, begun.with_overrides(["lora_rank=3", "epochs=2"]), tmp_path, cache)
    assert json.loads((tmp_path / "config.json").read_text())["epochs"] == 1
    assert finetune(dataset, replace(begun, checkpoint_every_s=1, tracker="none"), tmp_path, cache).finished

    former = json.loads((tmp_path / "config.json").read_text())
    del former["ema"], former["architecture"]["style_tokens"]
    (tmp_path / "config.json").write_text(json.dumps(former | {"gone": 1}))
    assert finetune(dataset, begun, tmp_path, cache).finished, "of a former version of this code"


def test_a_run_does_not_go_on_without_the_state_of_its_optimizer(
    dataset: CaptionDataset, config: FinetuneConfig, cache: Path, tmp_path: Path
) -> None:
    begun = config.with_overrides(["epochs=1"])
    finetune(dataset, begun, tmp_path, cache)
    for file in tmp_path.glob("*-optimizer.pt"):
        file.unlink()
    with pytest.raises(InvalidInput, match=r"is damaged \(the state of the optimizer is gone\)"):
        finetune(dataset, begun, tmp_path, cache)


def test_a_folder_that_can_not_be_written_is_told_before_training(
    dataset: CaptionDataset, config: FinetuneConfig, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(FileExistsError):
        finetune_and_export(dataset, config, tmp_path / "run", cache, tmp_path / "out")
    assert not (tmp_path / "run").exists()


def test_so_many_photos_are_evaluated_as_were_asked_for(
    config: FinetuneConfig, cache: Path, tmp_path: Path, dataset: CaptionDataset
) -> None:
    evaluate = dev_cider(dataset.split("dev"), config.with_overrides(["evaluation_images=3"]), cache)
    assert len(evaluate(build_model(config, cache), 0).shown) == 3


def test_it_goes_on_from_a_checkpoint_with_its_own_samples_and_leaves_nothing_worse(
    dataset: CaptionDataset, config: FinetuneConfig, cache: Path, tmp_path: Path
) -> None:
    taught = config.with_overrides(["epochs=20"])
    start = finetune_and_export(dataset, taught, tmp_path / "taught", cache, tmp_path / "start")
    goes_on = FinetuneConfig(
        objective="cider",
        start_from=str(tmp_path / "start"),
        epochs=3,
        images_per_batch=2,
        max_caption_tokens=12,
        learning_rate=1e-3,
        projector_learning_rate=1e-3,
        views=("plain",),
        dropout=0.0,
        device="cpu",
    )
    result = finetune_and_export(dataset, goes_on, tmp_path / "run", cache, tmp_path / "out")
    assert start is not None
    assert result is not None
    assert (result.base, result.architecture) == (config.base, config.architecture)
    began = dev_cider(dataset.split("dev"), goes_on, cache)(build_model(goes_on.resolved(), cache), 0).score
    best, last = load_training_state(tmp_path / "run" / "best"), load_training_state(tmp_path / "run")
    assert best is not None
    assert best.progress["best_score"] >= began
    assert last is not None
    assert last.progress["step"] == 6
    assert not all(
        torch.equal(weight, last.weights[name])
        for name, weight in build_model(goes_on.resolved(), cache).trained_state().items()
    )


def test_styles_are_learned_beside_a_finished_checkpoint_which_stays_what_it_is(
    dataset: CaptionDataset, config: FinetuneConfig, cache: Path, tmp_path: Path
) -> None:
    taught = config.with_overrides(["epochs=2"])
    finetune_and_export(dataset, taught, tmp_path / "taught", cache, tmp_path / "start")
    styles = FinetuneConfig.load(STYLES_CONFIG).with_overrides(
        [f"start_from={tmp_path / 'start'}", "epochs=2", "style_tokens=2", "device=cpu", "tracker=none"]
    )
    _, weights = load_checkpoint(tmp_path / "start")
    start = save_checkpoint(
        tmp_path / "start",
        weights,
        base=config.base,
        architecture=read_manifest(tmp_path / "start").architecture,
        decoding={"num_beams": 2, "max_new_tokens": 9},
    )
    for name in (CONFIDENCE, "metrics.json"):
        (tmp_path / "start" / name).write_text(f'{{"of": "{name}"}}')
    result = finetune_and_export(dataset, styles, tmp_path / "run", cache, tmp_path / "out")
    assert result is not None
    assert (result.model_id, result.weights_sha256) == (start.model_id, start.weights_sha256)
    for name in (CONFIDENCE, "metrics.json"):
        assert (tmp_path / "out" / name).read_text() == f'{{"of": "{name}"}}', "the same captioner's"
    assert result.styles_sha256
    best = load_training_state(tmp_path / "run" / "best")
    assert best is not None
    rows = [json.loads(line) for line in (tmp_path / "run" / HISTORY).read_text().splitlines()]
    assert best.progress["best_score"] == max(row["score"] for row in rows if "score" in row)


def test_it_stops_when_nothing_gets_better(
    dataset: CaptionDataset, config: FinetuneConfig, cache: Path, tmp_path: Path
) -> None:
    scores = [0.1, 0.3, 0.2, 0.25, 0.9]
    patient = config.with_overrides(["epochs=5", "patience=2"])
    progress = finetune(
        dataset, patient, tmp_path, cache, lambda model, epoch: Evaluation(scores[epoch - 1], {})
    )
    assert (progress.epoch, progress.best_epoch, progress.best_score) == (4, 2, 0.3)
    assert progress.finished


def test_of_an_adversarial_run_the_last_epoch_is_kept_whatever_cider_says(
    dataset: CaptionDataset, config: FinetuneConfig, cache: Path, tmp_path: Path
) -> None:
    scores = [0.3, 0.2]
    judged = config.with_overrides(["objective=adversarial", "epochs=2", "max_caption_tokens=4"])
    finetune(dataset, judged, tmp_path, cache, lambda model, epoch: Evaluation(scores[epoch - 1], {}))
    best = load_training_state(tmp_path / "best")
    assert best is not None
    assert (best.progress["best_epoch"], best.progress["best_score"]) == (2, 0.2)


def test_what_is_kept_is_the_mean_of_the_weights(
    dataset: CaptionDataset, config: FinetuneConfig, cache: Path, tmp_path: Path
) -> None:
    last = config.with_overrides(["epochs=2", "ema=0"])
    finetune(dataset, last, tmp_path / "last", cache)
    newest, best = (load_training_state(folder) for folder in (tmp_path / "last", tmp_path / "last" / "best"))
    mean = config.with_overrides(["epochs=2", "ema=0.5"])
    finetune(dataset, mean, tmp_path / "mean", cache)
    same, kept = (load_training_state(folder) for folder in (tmp_path / "mean", tmp_path / "mean" / "best"))
    assert newest is not None
    assert best is not None
    assert same is not None
    assert kept is not None
    name = "projector.place"
    torch.testing.assert_close(best.weights[name], newest.weights[name])
    torch.testing.assert_close(same.weights[name], newest.weights[name])  # the mean moves nothing
    assert not torch.equal(kept.weights[name], newest.weights[name])
    assert kept.weights[name].norm() < newest.weights[name].norm()  # it started at zero
