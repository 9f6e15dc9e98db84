"""The reader of both text sides: MiniLM, and for what is beyond Latin letters the encoder that learned from it."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from search.embedders import chinese, minilm
from search.embedders.minilm import Read
from search.embedders.scripts import beyond_latin
from search.embedders.towers import sentence_means
from search.embedders.tuned_text import TunedText


class Multilingual:
    """Speaks MiniLM's language: texts in Latin letters are its own, to the bit; the others stand in the same space.

    The other encoder learned from Chinese only. Since the one before it knows a hundred languages, it reads the
    others, too; how well has been measured for Chinese alone.
    """

    def __init__(self, device: str | None = None) -> None:
        self.english = minilm.shared(device)
        self._device = device

    def sentences(self, texts: Sequence[str]) -> Tensor:
        """Unit-length float32 vectors (N, 384) on the CPU."""
        others = [at for at, text in enumerate(texts) if beyond_latin(text)]
        if not others:
            return self.english.sentences(texts)
        vectors = torch.empty(len(texts), minilm.DIMENSION)
        if english := sorted(set(range(len(texts))) - set(others)):
            vectors[english] = self.english.sentences([texts[at] for at in english])
        vectors[others] = sentence_means(*self.tokens([texts[at] for at in others])).cpu()
        return vectors

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """States of the last layer (N, T, 384) and a mask (N, T), true where there is a token."""
        read = self.read(texts)
        return read.states, read.mask

    def read(self, texts: Sequence[str], tuned: TunedText | None = None) -> Read:
        """The same with what `tuned` makes of English in place of the encoder's last layers, as `before`.

        The others are read in one way, which learned from both.
        """
        others = [at for at, text in enumerate(texts) if beyond_latin(text)]
        if not others:
            return self._english(texts, tuned)
        rows: dict[int, tuple[Tensor, Tensor]] = {}
        if english := sorted(set(range(len(texts))) - set(others)):
            rows |= _rows(english, self._english([texts[at] for at in english], tuned))
        states, mask = chinese.shared(self._device).tokens([texts[at] for at in others])
        rows |= _rows(others, Read(states, mask, states))
        lengths = torch.tensor([len(rows[at][0]) for at in range(len(texts))], device=states.device)
        padded = [
            nn.utils.rnn.pad_sequence([rows[at][part] for at in range(len(texts))], batch_first=True)
            for part in (0, 1)
        ]
        told = torch.arange(padded[0].shape[1], device=states.device)[None] < lengths[:, None]
        return Read(padded[0], told, padded[1])

    @torch.inference_mode()
    def _english(self, texts: Sequence[str], tuned: TunedText | None) -> Read:
        read = self.english.read(texts, len(tuned.layers) if tuned is not None else 0)
        return read if tuned is None else read._replace(before=tuned(read.before, read.mask))


def _rows(places: Sequence[int], read: Read) -> dict[int, tuple[Tensor, Tensor]]:
    """By place the states of a text's own tokens, and those before."""
    return {at: (states[kept], before[kept]) for at, states, kept, before in zip(places, *read, strict=True)}


@cache
def shared(device: str | None = None) -> Multilingual:
    """One reader per process and device: the image space and the caption space read the same one."""
    return Multilingual(device)
