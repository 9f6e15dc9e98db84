"""A run shows itself while it goes on: lines, curves, TensorBoard, Weights & Biases offline."""

import json
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from captioning.training.config import FinetuneConfig
from captioning.training.history import HISTORY, History
from captioning.training.tracking import make_tracker
from core.errors import InvalidInput

CONFIG = FinetuneConfig()


def test_a_history_goes_on_from_the_step_of_the_last_checkpoint(tmp_path: Path) -> None:
    history = History(tmp_path, step=0)
    for step in (10, 20, 30):
        history.add(step, loss=1 / step)
    history.add(30, score=0.5)
    with (tmp_path / HISTORY).open("a") as file:
        file.write('{"step": 40, "lo')  # killed while writing
    again = History(tmp_path, step=20)
    assert [row["step"] for row in again.rows] == [10, 20]
    again.add(30, loss=0.1, score=0.7)
    rows = [json.loads(line) for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert rows[-1] == {"step": 30, "loss": 0.1, "score": 0.7}
    assert len(rows) == 3


def test_curves_are_drawn_one_under_the_other(tmp_path: Path) -> None:
    history = History(tmp_path, step=0)
    with Image.open(history.draw()) as picture:  # of nothing yet
        height = picture.height
    for step in range(10, 100, 10):
        history.add(step, loss=1 / step)
    history.add(50, score=0.5)
    with Image.open(history.draw()) as picture:
        assert picture.height > height
        assert len(set(picture.convert("L").tobytes())) > 10


def test_tensorboard_has_figures_and_captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.summary.writer import event_file_writer

    # Its files are put in order by the second in their names.
    seconds = count(1_700_000_000)
    monkeypatch.setattr(event_file_writer, "time", SimpleNamespace(time=lambda: float(next(seconds))))
    tracker = make_tracker(CONFIG, tmp_path, step=0)
    tracker.measured(10, {"loss": 0.5})
    tracker.measured(20, {"loss": 0.25})
    tracker.wrote(20, {"dog.jpg": "A dog runs."})
    tracker.close()
    resumed = make_tracker(CONFIG, tmp_path, step=20)
    resumed.measured(20, {"loss": 0.125})
    resumed.close()
    events: Any = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(point.step, point.value) for point in events.Scalars("loss")] == [(10, 0.5), (20, 0.125)]
    assert "captions/text_summary" in events.Tags()["tensors"]


def test_weights_and_biases_work_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for step in (10, 20):  # the second time as after a pause
        tracker = make_tracker(replace(CONFIG, tracker="wandb"), tmp_path, step=step)
        tracker.measured(step, {"loss": 0.5})
        tracker.wrote(step, {"dog.jpg": "A dog runs."})
        tracker.close()
    runs = list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert runs
    assert {file.name for file in runs} == {f"run-{(tmp_path / 'wandb-id').read_text()}.wandb"}


def test_who_is_not_logged_in_is_told_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    def init(**_: object) -> None:
        raise wandb.errors.UsageError("No API key configured.")

    monkeypatch.setattr(wandb, "init", init)
    with pytest.raises(InvalidInput, match=r"No API key configured\. Log in .* WANDB_MODE=offline"):
        make_tracker(replace(CONFIG, tracker="wandb"), tmp_path, step=0)


def test_a_tracker_that_is_not_installed_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InvalidInput, match="pip install wandb"):
        make_tracker(replace(CONFIG, tracker="wandb"), tmp_path, step=0)
    with pytest.raises(InvalidInput, match="tensorboard, wandb, none"):
        FinetuneConfig().with_overrides(["tracker=mlflow"])
