"""Steps downhill: optimizers, learning rates over time, and batches cut to what the memory holds."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.training.batches import Batch
from captioning.training.config import FinetuneConfig
from core.devices import inference_dtype

LossOf = Callable[[VisualLanguageModel, Batch], Tensor]
#: Of the peak learning rate, what a falling schedule ends with.
_LAST_SHARE = 0.02
#: AdaLoRA moves ranks about from the first to the second of these shares of the steps.
_ADALORA_BEGIN, _ADALORA_END = 0.1, 0.7
#: How strongly AdaLoRA's factors are kept orthogonal (Zhang et al. 2023, gamma).
_ORTHOGONAL = 0.1


def make_optimizer(model: VisualLanguageModel, config: FinetuneConfig) -> torch.optim.Optimizer:
    """Over what is trained, each with its learning rate: the projector starts from nothing, the backbone from much."""
    rates = (
        (config.learning_rate, (model.lm, model.styles)),
        (config.projector_learning_rate, (model.projector,)),
        (config.backbone_learning_rate, () if model.vision is None else (model.vision,)),
    )
    groups = [
        {"params": weights, "lr": rate}
        for rate, parts in rates
        if (weights := [each for part in parts for each in part.parameters() if each.requires_grad])
    ]
    match config.optimizer:
        case "adafactor":
            return torch.optim.Adafactor(groups, weight_decay=config.weight_decay)
        case "sgd":
            return torch.optim.SGD(groups, momentum=0.9, nesterov=True, weight_decay=config.weight_decay)
        case _:
            return torch.optim.AdamW(groups, weight_decay=config.weight_decay, betas=(0.9, 0.98))


def make_schedule(
    optimizer: torch.optim.Optimizer, config: FinetuneConfig, total_steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Linear warm-up, then constant, linear or cosine."""

    def scale(step: int) -> float:
        warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
        done = min(1.0, step / max(1, total_steps))
        falling = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
        share = falling[config.schedule]
        return warm * (share if config.schedule == "constant" else _LAST_SHARE + (1 - _LAST_SHARE) * share)

    return torch.optim.lr_scheduler.LambdaLR(optimizer, scale)


class Backward:
    """Gradients of a step's batches, in pieces that the memory holds: where it runs out, they are halved."""

    def __init__(self, model: VisualLanguageModel, loss_of: LossOf) -> None:
        self.model = model
        self.loss_of = loss_of
        self.most_pictures: int | None = None

    def __call__(self, batches: Sequence[Batch]) -> float:
        """Leave the gradient of the mean loss over all targets in the weights; returns that loss."""
        while True:
            try:
                return self._accumulated(batches)
            except torch.OutOfMemoryError:
                largest = min(self.most_pictures or 10**9, max(len(batch) for batch in batches))
                if largest == 1:
                    raise
            self.model.zero_grad(set_to_none=True)  # outside the handler, which would hold on to the tensors
            torch.cuda.empty_cache()
            self.most_pictures = largest // 2
            tqdm.write(
                f"Out of memory with {largest} pictures at once: going on with {self.most_pictures}. "
                f"Next time set images_per_batch={self.most_pictures} and accumulate to match."
            )

    def _accumulated(self, batches: Sequence[Batch]) -> float:
        device = self.model.projector.place.device
        dtype = inference_dtype(device)
        targets = sum(len(batch.targets) for batch in batches)
        total = 0.0
        for batch in batches:
            for piece in batch.pieces(self.most_pictures):
                mixed: Any = (
                    torch.autocast(device.type, dtype) if dtype is not torch.float32 else nullcontext()
                )
                with mixed:
                    loss = self.loss_of(self.model, piece) * (len(piece.targets) / targets)
                loss.backward()
                total += float(loss.detach())
        return total


class RankBudget:
    """AdaLoRA's own work around a step: factors kept orthogonal, ranks taken from where they matter least."""

    def __init__(self, model: VisualLanguageModel, total_steps: int) -> None:
        self.tuner = model.lm.base_model
        self.weights = dict(self.tuner.named_parameters())
        config = self.tuner.peft_config["default"]
        config.tinit = round(_ADALORA_BEGIN * total_steps)
        config.tfinal = total_steps - round(_ADALORA_END * total_steps)
        config.total_step = total_steps
        self.tuner.rankallocator.set_total_step(total_steps)

    def regularize(self) -> None:
        """Add the gradient of the penalty on factors that are not orthogonal."""
        factors = [
            weight if "lora_A" in name else weight.T
            for name, weight in self.weights.items()
            if "lora_A" in name or "lora_B" in name
        ]
        penalty = torch.stack([_unorthogonal(factor) for factor in factors]).mean()
        (_ORTHOGONAL * penalty).backward()

    def allocate(self, step: int) -> None:
        """After the optimizer's step, gradients still there."""
        self.tuner.update_and_allocate(step)

    def state_dict(self) -> dict[str, Any]:
        """The importance of each weight so far."""
        allocator = self.tuner.rankallocator
        return {
            "ipt": allocator.ipt,
            "exp_avg_ipt": allocator.exp_avg_ipt,
            "exp_avg_unc": allocator.exp_avg_unc,
            "rank_pattern": self.tuner.peft_config["default"].rank_pattern,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        allocator = self.tuner.rankallocator
        allocator.ipt, allocator.exp_avg_ipt, allocator.exp_avg_unc = (
            state[key] for key in ("ipt", "exp_avg_ipt", "exp_avg_unc")
        )
        self.tuner.peft_config["default"].rank_pattern = state["rank_pattern"]


def _unorthogonal(factor: Tensor) -> Tensor:
    off: Tensor = torch.linalg.matrix_norm(factor @ factor.T - torch.eye(len(factor), device=factor.device))
    return off
