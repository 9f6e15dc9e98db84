"""A run on disk: whole after a kill at any moment, refused where it is damaged, gone on with as it was begun."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from captioning.training import begun, checkpoint
from captioning.training.checkpoint import TrainingState, load_training_state, save_training_state
from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionDataset, CaptionedImage
from core.errors import InvalidInput

CONFIG = FinetuneConfig()
DOG, CAT = (CaptionedImage(Path(f"{name}.jpg"), (f"A {name}.",)) for name in ("dog", "cat"))


def state(value: float, step: int = 7) -> TrainingState:
    return TrainingState({"word": torch.tensor([value])}, {"average": {}}, {"step": step})


def dataset(*images: CaptionedImage) -> CaptionDataset:
    return CaptionDataset(Path("data"), {"train": images})


@pytest.mark.parametrize("killed_in", ["weights", "optimizer", "progress"])
def test_a_kill_within_a_save_leaves_the_one_before(
    killed_in: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where that was of the same step, as the last save of a run is."""
    save_training_state(tmp_path, state(1.0))

    def half(_content: Any, file: Path) -> None:
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    if killed_in == "weights":
        monkeypatch.setattr(checkpoint, "save_file", half)
    elif killed_in == "optimizer":
        monkeypatch.setattr(torch, "save", half)
    else:
        monkeypatch.setattr(json, "dumps", lambda _: half(None, tmp_path / "progress.json.new"))
    with pytest.raises(KeyboardInterrupt):
        save_training_state(tmp_path, state(1.0))
    monkeypatch.undo()
    kept = load_training_state(tmp_path)
    assert kept is not None
    assert (float(kept.weights["word"]), kept.progress) == (1.0, {"step": 7})
    save_training_state(tmp_path, state(2.0, step=8))
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "8-optimizer.pt", "8-weights.safetensors", "progress.json",
    ]  # fmt: skip


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("damage", [emptied, cut, Path.unlink])
@pytest.mark.parametrize("name", ["7-weights.safetensors", "7-optimizer.pt", "progress.json"])
def test_damaged_files_are_told_as_such(name: str, damage: Callable[[Path], None], tmp_path: Path) -> None:
    save_training_state(tmp_path, state(1.0))
    damage(tmp_path / name)
    if damage is Path.unlink and name != "7-weights.safetensors":
        kept = load_training_state(tmp_path)
        assert kept is None or kept.held is None, "nothing to go on from"
        return
    with pytest.raises(InvalidInput, match=r"is damaged .* Remove that folder"):
        load_training_state(tmp_path)


def test_another_dataset_is_not_gone_on_with(tmp_path: Path) -> None:
    begun.begin(tmp_path, CONFIG, dataset(DOG))
    begun.begin(tmp_path, replace(CONFIG, epochs=9), dataset(DOG, CAT))  # nothing was trained yet
    save_training_state(tmp_path, state(1.0))
    begun.begin(tmp_path, replace(CONFIG, epochs=9, tracker="none"), dataset(DOG, CAT))
    other = replace(CAT, captions=("A kitten.",))
    for wrong, reviews, said in (
        (dataset(DOG, other), (), "another dataset"),
        (dataset(DOG, CAT), (CAT,), "no reviews"),
    ):
        with pytest.raises(InvalidInput, match=rf"began with {said}\. .*--run"):
            begun.begin(tmp_path, replace(CONFIG, epochs=9), wrong, reviews)


def test_reviews_are_gone_on_with(tmp_path: Path) -> None:
    begun.begin(tmp_path, CONFIG, dataset(DOG), (CAT,))
    save_training_state(tmp_path, state(1.0))
    begun.begin(tmp_path, CONFIG, dataset(DOG), (CAT,))
    with pytest.raises(InvalidInput, match=r"began with reviews\."):
        begun.begin(tmp_path, CONFIG, dataset(DOG))
    with pytest.raises(InvalidInput, match=r"began with other reviews\."):
        begun.begin(tmp_path, CONFIG, dataset(DOG), (replace(CAT, captions=("A kitten.",)),))


@pytest.mark.parametrize("name", [begun.CONFIG, begun.DATA])
def test_what_a_run_began_with_can_be_damaged(name: str, tmp_path: Path) -> None:
    begun.begin(tmp_path, CONFIG, dataset(DOG))
    save_training_state(tmp_path, state(1.0))
    cut(tmp_path / name)
    with pytest.raises(InvalidInput, match="is damaged"):
        begun.begin(tmp_path, CONFIG, dataset(DOG))
