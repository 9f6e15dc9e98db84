"""The reader of both text sides: MiniLM, and for what is beyond Latin letters the encoder that learned from it."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from search.embedders import chinese, minilm
from search.embedders.scripts import beyond_latin
from search.embedders.tuned_text import Heard, TunedText


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
        read = self.read([texts[at] for at in others])
        vectors[others] = minilm.sentence_means(read.states, read.mask).cpu()
        return vectors

    def read(self, texts: Sequence[str], tuned: TunedText | None = None) -> Heard:
        """Token states. tuned: layers that an image space has in place of the encoder's last ones.

        They are for MiniLM's texts; the other encoder learned from what they say, too, and is read in one way.
        """
        others = [at for at, text in enumerate(texts) if beyond_latin(text)]
        if not others:
            return self._english(texts, tuned)
        rows: dict[int, tuple[Tensor, Tensor]] = {}
        if english := sorted(set(range(len(texts))) - set(others)):
            rows |= _rows(english, self._english([texts[at] for at in english], tuned))
        states, mask = chinese.shared(self._device).tokens([texts[at] for at in others])
        rows |= _rows(others, Heard(states, mask, states))
        lengths = torch.tensor([len(rows[at][0]) for at in range(len(texts))], device=states.device)
        padded = [
            nn.utils.rnn.pad_sequence([rows[at][part] for at in range(len(texts))], batch_first=True)
            for part in (0, 1)
        ]
        told = torch.arange(padded[0].shape[1], device=states.device)[None] < lengths[:, None]
        return Heard(padded[0], told, padded[1])

    @torch.inference_mode()
    def _english(self, texts: Sequence[str], tuned: TunedText | None) -> Heard:
        states, mask, before = self.english.read(texts, len(tuned.layers) if tuned is not None else 0)
        return Heard(states, mask, before if tuned is None else tuned(before, mask))


def _rows(places: Sequence[int], read: Heard) -> dict[int, tuple[Tensor, Tensor]]:
    """By place, of a text's own tokens, the states and what is heard."""
    return {at: (states[kept], heard[kept]) for at, states, kept, heard in zip(places, *read, strict=True)}


@cache
def shared(device: str | None = None) -> Multilingual:
    """One reader per process and device: the image space and the caption space read the same one."""
    return Multilingual(device)
