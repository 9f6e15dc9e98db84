"""How a language model is taught to read pictures, from its weights left alone to all of them trained.

By `Architecture.method`:
    projector_only  nothing of it: only the projector learns its language (Tsimpoukelli et al. 2021, "Frozen")
    prefix          learned keys and values before each layer's own (Li & Liang 2021)
    bottleneck      a narrow detour behind each layer's MLP (Houlsby et al. 2019; placed as in Pfeiffer et al. 2021)
    lora            low-rank changes of all linear maps (Hu et al. 2021)
    adalora         the same, with the ranks moved to where they matter most (Zhang et al. 2023)
    top_layers      the layers next to the output
    full            everything
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from captioning.captioners.architecture import Architecture
from core.errors import InvalidInput

LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
#: AdaLoRA starts with so many times the rank that it ends with.
_ADALORA_START = 1.5
_MERGEABLE = ("lora", "adalora")


def adapted(lm: Any, architecture: Architecture, dropout: float = 0.0) -> Any:
    """The language model with what is to be trained added and set to require gradients; the rest is frozen."""
    lm.requires_grad_(requires_grad=False)
    match architecture.method:
        case "lora" | "adalora" | "prefix":
            from peft import get_peft_model

            return get_peft_model(lm, _peft_config(architecture, dropout))
        case "bottleneck":
            for layer in lm.model.layers:
                layer.mlp = Bottleneck(
                    layer.mlp, lm.config.hidden_size, architecture.bottleneck_width, dropout
                )
        case "top_layers":
            if architecture.top_layers > (count := len(lm.model.layers)):
                raise InvalidInput(
                    f"top_layers is from 1 to {count}, which the language model has, not {architecture.top_layers}.",
                    field="set",
                )
            lm.model.layers[-architecture.top_layers :].requires_grad_(requires_grad=True)
            lm.model.norm.requires_grad_(requires_grad=True)
        case "full":
            lm.requires_grad_(requires_grad=True)
    return lm


def is_mergeable(architecture: Architecture) -> bool:
    """Whether what was learned can be folded into the language model's own weights."""
    return architecture.method in _MERGEABLE


def is_separable(architecture: Architecture) -> bool:
    """Whether the language model can do without anything that transformers doesn't know."""
    return architecture.method not in ("prefix", "bottleneck")


def trains_base_weights(architecture: Architecture) -> bool:
    """Whether weights of the language model itself change, which then need full precision in training."""
    return architecture.method in ("top_layers", "full")


class Bottleneck(nn.Module):
    """An MLP, and behind it a narrow detour that starts as nothing."""

    def __init__(self, mlp: nn.Module, hidden: int, width: int, dropout: float) -> None:
        super().__init__()
        self.mlp = mlp
        self.down = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)
        self.up = nn.Linear(width, hidden)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.mlp(hidden)
        detour = self.up(self.dropout(functional.gelu(self.down(out.to(self.down.weight.dtype)))))
        changed: Tensor = out + detour.to(out.dtype)
        return changed


def _peft_config(architecture: Architecture, dropout: float) -> Any:
    from peft import AdaLoraConfig, LoraConfig, PrefixTuningConfig

    if architecture.method == "prefix":
        return PrefixTuningConfig(num_virtual_tokens=architecture.prefix_length, task_type="CAUSAL_LM")
    shared: dict[str, Any] = {
        "lora_alpha": architecture.lora_alpha,
        "lora_dropout": dropout,
        "target_modules": list(LORA_TARGETS),
        "task_type": "CAUSAL_LM",
    }
    if architecture.method == "lora":
        return LoraConfig(r=architecture.lora_rank, **shared)
    return AdaLoraConfig(
        init_r=round(architecture.lora_rank * _ADALORA_START),
        target_r=architecture.lora_rank,
        total_step=1,  # training knows it, and says so before its first step
        **shared,
    )
