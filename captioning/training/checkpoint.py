"""Training state on disk: enough to go on exactly where a run stopped, written atomically, weights in safetensors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from captioning.captioners.visual_lm import VisualLanguageModel

WEIGHTS = "weights.safetensors"
OPTIMIZER = "optimizer.pt"
PROGRESS = "progress.json"


class Stateful(Protocol):
    """An optimizer, a schedule, a rank budget: what has a state to go on from."""

    def state_dict(self) -> dict[str, Any]:
        """All of it."""

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Put it back."""


@dataclass
class TrainingState:
    """Weights, the state of what moves them, their average, random state, and where the run stood."""

    weights: dict[str, Tensor]
    held: dict[str, Any] | None
    progress: dict[str, Any]

    @classmethod
    def capture(
        cls,
        model: VisualLanguageModel,
        movers: Mapping[str, Stateful],
        average: dict[str, Tensor],
        progress: dict[str, Any],
    ) -> Self:
        """The state of a run between two steps; `average` is the mean of its weights so far."""
        states = {name: mover.state_dict() for name, mover in movers.items()}
        held = {"movers": states, "average": average, "rng": torch.get_rng_state()}
        return cls(model.trained_state(), held, dict(progress))

    @classmethod
    def weights_only(cls, model: VisualLanguageModel, progress: dict[str, Any]) -> Self:
        """What is kept of the best epoch: not to go on from, but to ship."""
        return cls(model.trained_state(), None, dict(progress))

    def restore(
        self, model: VisualLanguageModel, movers: Mapping[str, Stateful], average: dict[str, Tensor]
    ) -> None:
        """Put the state back into freshly built objects of the same configuration."""
        with torch.no_grad():
            model.load_trained_state(self.weights)
        if self.held is not None:
            for name, mover in movers.items():
                mover.load_state_dict(self.held["movers"][name])
            average.update(self.held["average"])
            torch.set_rng_state(self.held["rng"])


def save_training_state(folder: Path, state: TrainingState) -> None:
    """Write all files anew under other names, then rename; progress comes last and names its weights' step."""
    folder.mkdir(parents=True, exist_ok=True)
    step = state.progress["step"]
    weights = {name: weight.detach().cpu().contiguous() for name, weight in state.weights.items()}
    save_file(weights, folder / f"{step}-{WEIGHTS}")
    if state.held is not None:
        torch.save(state.held, folder / f"{step}-{OPTIMIZER}")
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
    held_file = folder / f"{progress['step']}-{OPTIMIZER}"
    held = torch.load(held_file, weights_only=True) if held_file.is_file() else None
    return TrainingState(load_file(folder / f"{progress['step']}-{WEIGHTS}"), held, progress)
