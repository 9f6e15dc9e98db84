"""Training state on disk: enough to go on exactly where a run stopped, written atomically, weights in safetensors."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from captioning.captioners.visual_lm import VisualLanguageModel

WEIGHTS = "weights.safetensors"
OPTIMIZER = "optimizer.pt"
PROGRESS = "progress.json"


@dataclass
class TrainingState:
    """Weights, optimizer with schedule, average and random state, and where the run stood."""

    weights: dict[str, Tensor]
    optimizer: dict[str, Any] | None
    progress: dict[str, Any]

    @classmethod
    def capture(
        cls,
        model: VisualLanguageModel,
        optimizer: Any,
        schedule: Any,
        average: dict[str, Tensor],
        progress: dict[str, Any],
    ) -> Self:
        """The state of a run between two steps; `average` is the mean of its weights so far."""
        held = {
            "average": average,
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "rng": torch.get_rng_state(),
        }
        return cls(model.trained_state(), held, dict(progress))

    @classmethod
    def weights_only(cls, model: VisualLanguageModel, progress: dict[str, Any]) -> Self:
        """What is kept of the best epoch: not to go on from, but to ship."""
        return cls(model.trained_state(), None, dict(progress))

    def restore(
        self, model: VisualLanguageModel, optimizer: Any, schedule: Any, average: dict[str, Tensor]
    ) -> None:
        """Put the state back into freshly built objects of the same configuration."""
        with torch.no_grad():
            model.load_trained_state(self.weights)
        if self.optimizer is not None:
            optimizer.load_state_dict(self.optimizer["optimizer"])
            schedule.load_state_dict(self.optimizer["schedule"])
            average.update(self.optimizer["average"])
            torch.set_rng_state(self.optimizer["rng"])


def save_training_state(folder: Path, state: TrainingState) -> None:
    """Write all files anew under other names, then rename; progress comes last and names its weights' step."""
    folder.mkdir(parents=True, exist_ok=True)
    step = state.progress["step"]
    weights = {name: weight.detach().cpu().contiguous() for name, weight in state.weights.items()}
    save_file(weights, folder / f"{step}-{WEIGHTS}")
    if state.optimizer is not None:
        torch.save(state.optimizer, folder / f"{step}-{OPTIMIZER}")
    scratch = folder / f"{PROGRESS}.new"
    scratch.write_text(json.dumps(state.progress))
    scratch.replace(folder / PROGRESS)
    for old in [*folder.glob(f"*-{WEIGHTS}"), *folder.glob(f"*-{OPTIMIZER}")]:
        if not old.name.startswith(f"{step}-"):
            old.unlink()


def load_training_state(folder: Path) -> TrainingState | None:
    """What `save_training_state` wrote, or None where the folder holds no finished checkpoint."""
    if not (folder / PROGRESS).is_file():
        return None
    progress = json.loads((folder / PROGRESS).read_text("utf-8"))
    optimizer_file = folder / f"{progress['step']}-{OPTIMIZER}"
    optimizer = torch.load(optimizer_file, weights_only=True) if optimizer_file.is_file() else None
    return TrainingState(load_file(folder / f"{progress['step']}-{WEIGHTS}"), optimizer, progress)
