"""Training state on disk: enough to go on exactly where a run stopped, written atomically, weights in safetensors."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from captioning.captioners.visual_lm import VisualLanguageModel
from core.errors import InvalidInput

WEIGHTS = "weights.safetensors"
OPTIMIZER = "optimizer.pt"
PROGRESS = "progress.json"
#: What reading a damaged file raises: no JSON, keys that are not there, no safetensors, half a pickle.
_UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    RuntimeError,
    EOFError,
    UnpicklingError,
    SafetensorError,
)


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
    """Write each file under another name, then rename it; progress comes last and names its weights' step."""
    folder.mkdir(parents=True, exist_ok=True)
    step = state.progress["step"]
    weights = {name: weight.detach().cpu().contiguous() for name, weight in state.weights.items()}
    with _renamed(folder / f"{step}-{WEIGHTS}") as scratch:
        save_file(weights, scratch)
    if state.held is not None:
        with _renamed(folder / f"{step}-{OPTIMIZER}") as scratch:
            torch.save(state.held, scratch)
    with _renamed(folder / PROGRESS) as scratch:
        scratch.write_text(json.dumps(state.progress))
    for old in [*folder.glob(f"*-{WEIGHTS}*"), *folder.glob(f"*-{OPTIMIZER}*")]:
        if old.name not in (f"{step}-{WEIGHTS}", f"{step}-{OPTIMIZER}"):
            old.unlink()


def load_training_state(folder: Path) -> TrainingState | None:
    """What `save_training_state` wrote, or None where the folder holds no finished checkpoint.

    InvalidInput where its files are damaged or gone.
    """
    if not (folder / PROGRESS).is_file():
        return None
    try:
        progress = json.loads((folder / PROGRESS).read_text("utf-8"))
        held_file = folder / f"{progress['step']}-{OPTIMIZER}"
        held = torch.load(held_file, weights_only=True) if held_file.is_file() else None
        return TrainingState(load_file(folder / f"{progress['step']}-{WEIGHTS}"), held, progress)
    except _UNREADABLE as error:
        raise damaged(folder, error) from error


def damaged(folder: Path, why: object) -> InvalidInput:
    """The error that says what can be done about a run whose files can't be read."""
    return InvalidInput(
        f"The run in {folder} is damaged ({why}) and can't go on. Remove that folder to begin anew, or take another "
        "(--run).",
        field="run",
    )


@contextmanager
def _renamed(file: Path) -> Iterator[Path]:
    """A name beside the file to write to, which replaces it when it is whole."""
    scratch = file.with_name(f"{file.name}.new")
    yield scratch
    scratch.replace(file)
