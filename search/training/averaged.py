"""What a run of either encoder changes with each step: weights, their running mean, and the optimizer's memory."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

N = TypeVar("N", bound=nn.Module)
#: Of the learning rate, what is left at the end.
_LEFT = 0.01


@dataclass(frozen=True)
class Pace:
    """How fast it goes: a straight rise of the learning rate, then half a cosine over all steps.

    ema: how much of the running mean each step leaves, once it has run a while. clip: longest gradient.
    """

    learning_rate: float
    warmup_steps: int
    total_steps: int
    ema: float
    clip: float

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, from 0."""
        risen = min(1.0, (step + 1) / self.warmup_steps)
        fallen = 0.5 * (1 + math.cos(math.pi * step / self.total_steps))
        return self.learning_rate * risen * (_LEFT + (1 - _LEFT) * fallen)

    def kept_at(self, step: int) -> float:
        """How much of the mean stays when the weights after this step, from 1, are added."""
        return min(self.ema, step / (step + 10))


class AveragedTraining(Generic[N]):
    """network: what learns. average: the running mean of its weights, which is what is evaluated and kept."""

    def __init__(self, network: N, optimizer: torch.optim.Optimizer, pace: Pace) -> None:
        self.network, self.optimizer, self.pace = network, optimizer, pace
        self.average: N = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self.epoch, self.step = 0, 0
        self.best: dict[str, float] = {}

    def update(self, loss: Tensor) -> None:
        """One step. A group of the optimizer that has a `share` learns at this share of the pace."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.pace.rate_at(self.step) * group.get("share", 1.0)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.pace.clip)
        self.optimizer.step()
        self.step += 1
        keep = self.pace.kept_at(self.step)
        with torch.no_grad():
            for mean, weight in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(weight, 1 - keep)

    def save(self, file: Path, beside: Mapping[str, Tensor] | None = None) -> None:
        """Everything that going on needs, at once or not at all; with what else learns `beside`."""
        scratch = file.with_suffix(".new")
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "best": self.best,
            "rng": torch.get_rng_state(),
            "beside": dict(beside or {}),
        }
        torch.save(state, scratch)
        scratch.replace(file)

    def resume(self, file: Path, beside: Mapping[str, Tensor] | None = None) -> None:
        """Go on where the file stands, if there is one."""
        if not file.is_file():
            return
        device = next(self.network.parameters()).device
        state: dict[str, Any] = torch.load(file, weights_only=True, map_location=device)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        with torch.no_grad():
            for name, weight in (beside or {}).items():
                weight.copy_(state["beside"][name])
        self.epoch, self.step, self.best = state["epoch"], state["step"], state["best"]
        torch.set_rng_state(state["rng"].cpu())
