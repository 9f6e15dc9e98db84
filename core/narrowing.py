"""Weights as they are stored: 8 bits each with a scale for each row, a few thousandths off, a quarter of float32."""

from collections.abc import Mapping

import torch
from torch import Tensor

_SCALES = ".scales"


def narrowed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and kernels of a state as int8 with scales (rows, 1, ...) beside them; vectors as float16."""
    stored: dict[str, Tensor] = {}
    for name, weight in state.items():
        values = weight.detach().float().cpu().contiguous()
        if values.dim() < 2:
            stored[name] = values.half()
            continue
        largest = values.abs().amax(dim=tuple(range(1, values.dim())), keepdim=True)
        scales = _shortened(largest.clamp(min=1e-12) / 127)
        stored |= {name: (values / scales).round().to(torch.int8), name + _SCALES: scales}
    return stored


def _shortened(scales: Tensor) -> Tensor:
    """With a few bits less, so that what was stored, read and stored again is the same file."""
    digits, exponents = torch.frexp(scales)
    return torch.ldexp((digits * 2**20).round() / 2**20, exponents)


def widened(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The float32 state that was stored so; what has no scales beside it is only converted."""
    return {
        name: weight.float() * stored[name + _SCALES].float() if name + _SCALES in stored else weight.float()
        for name, weight in stored.items()
        if not name.endswith(_SCALES)
    }
