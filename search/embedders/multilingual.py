"""The reader of both text sides: English by MiniLM, Chinese by the encoder that learned from it, mixtures by both."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from search.embedders import chinese, minilm
from search.embedders.scripts import has_chinese, stretches
from search.embedders.towers import sentence_means


class Multilingual:
    """Speaks MiniLM's language: texts without Chinese are its own, to the bit; Chinese ones stand in the same space."""

    def __init__(self, device: str | None = None) -> None:
        self.english = minilm.shared(device)
        self._device = device

    def sentences(self, texts: Sequence[str]) -> Tensor:
        """Unit-length float32 vectors (N, 384) on the CPU."""
        others = [at for at, text in enumerate(texts) if has_chinese(text)]
        if not others:
            return self.english.sentences(texts)
        vectors = torch.empty(len(texts), minilm.DIMENSION)
        if english := sorted(set(range(len(texts))) - set(others)):
            vectors[english] = self.english.sentences([texts[at] for at in english])
        vectors[others] = sentence_means(*self.tokens([texts[at] for at in others])).cpu()
        return vectors

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """States of the last layer (N, T, 384) and a mask (N, T), true where there is a token."""
        others = [at for at, text in enumerate(texts) if has_chinese(text)]
        if not others:
            return self.english.tokens(texts)
        rows: list[Tensor] = [torch.empty(0)] * len(texts)
        if english := sorted(set(range(len(texts))) - set(others)):
            self._fill(rows, english, *self.english.tokens([texts[at] for at in english]))
        whole = [at for at in others if all(part.chinese for part in stretches(texts[at]))]
        if whole:
            self._fill(rows, whole, *chinese.shared(self._device).tokens([texts[at] for at in whole]))
        for at in sorted(set(others) - set(whole)):
            rows[at] = self._mixed(texts[at])
        lengths = torch.tensor([len(row) for row in rows], device=rows[0].device)
        states = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        return states, torch.arange(states.shape[1], device=states.device)[None] < lengths[:, None]

    def _mixed(self, text: str) -> Tensor:
        """States (T, 384) of a text in both scripts, one stretch after the other, each as loud as the others.

        The two encoders' states differ in length, which neither the towers nor a mean of one stretch would notice.
        """
        read = [
            (chinese.shared(self._device) if part.chinese else self.english).tokens([part.text])
            for part in stretches(text)
        ]
        return torch.cat(
            [states[0, mask[0]] / states[0, mask[0]].mean(dim=0).norm() for states, mask in read]
        )

    @staticmethod
    def _fill(rows: list[Tensor], places: Sequence[int], states: Tensor, mask: Tensor) -> None:
        for at, row, kept in zip(places, states, mask, strict=True):
            rows[at] = row[kept]


@cache
def shared(device: str | None = None) -> Multilingual:
    """One reader per process and device: the image space and the caption space read the same one."""
    return Multilingual(device)
