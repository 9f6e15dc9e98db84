"""A language model that reads pictures: visual tokens in front of the sentence it is to write.

The grid of backbone features is pooled, projected into the language model's embedding space and put before the
text, as in LLaVA (Liu et al. 2023) and, with a frozen model, Frozen (Tsimpoukelli et al. 2021). Hints follow as
text: the names of the likeliest ImageNet classes, since the classifier knows things that few captions speak of, and
the words that the concept head reads from the features. A style is asked for by a few learned vectors behind them
(prompt tuning, Lester et al. 2021): all else stays as it is, and so does what is written without them.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from captioning.captioners.adaptation import adapted, is_mergeable
from captioning.captioners.architecture import Architecture
from captioning.captioners.concepts import ConceptHead, pooled_grid
from captioning.captioners.projectors import Projector
from captioning.captioners.styles import LEARNED, NORMAL, STYLES, checked_style
from captioning.vision.frames import Features, FrameBatch
from captioning.vision.tags import class_names, top_classes
from captioning.vision.tuned import TunedBackbone

#: What the vectors of a style are before they learn: these words, over and over (Lester et al. 2021, 3.2).
_STYLES_AT_FIRST = {"short": " Briefly:", "detailed": " In detail:"}


class Read(NamedTuple):
    """What was read: keys and values; the last state (N, hidden); which places count (N, L); the last place (N, 1)."""

    cache: Any
    hidden: Tensor
    mask: Tensor
    place: Tensor


class VisualLanguageModel(nn.Module):
    """Projector, concept head, and a language model adapted as the architecture says; perhaps a backbone of its own.

    What it reads of N pictures is called `seen`: the grid of the shared backbone (N, 81, 1280), or what its own
    part of the backbone makes that grid of (`captioning.vision.tuned`).
    """

    def __init__(
        self,
        lm: Any,
        tokenizer: Any,
        architecture: Architecture,
        *,
        dropout: float = 0.1,
        adapter_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        embedding = lm.get_input_embeddings().weight
        given = {id(weight) for weight in (*lm.parameters(), *lm.buffers())}
        self.architecture = architecture
        self.tokenizer = tokenizer
        self.projector = Projector(
            architecture, embedding.shape[1], float(embedding.detach().float().std()), dropout
        )
        tuned = architecture.backbone != "frozen"
        self.vision = TunedBackbone(whole=architecture.backbone == "all") if tuned else None
        self.concepts = ConceptHead(len(architecture.concepts)) if architecture.concepts else None
        if self.concepts is not None:
            self.concepts.requires_grad_(requires_grad=False)  # taught by itself, before the language model
        self.styles = nn.ParameterDict(
            {style: self._words_as_vectors(lm, style) for style in LEARNED if architecture.style_tokens}
        )
        self._column = {word: at for at, word in enumerate(architecture.concepts)}
        self.lm: Any = adapted(lm, architecture, adapter_dropout)
        own = {
            id(weight): name  # once, though the head and the embeddings may be one tensor
            for name, weight in self.state_dict(keep_vars=True).items()
            if id(weight) not in given or weight.requires_grad
        }
        self._trained = list(own.values())

    def _words_as_vectors(self, lm: Any, style: str) -> nn.Parameter:
        words = self.tokenizer.encode(_STYLES_AT_FIRST[style], add_special_tokens=False)
        count = self.architecture.style_tokens
        ids = torch.tensor((words * count)[:count])
        return nn.Parameter(lm.get_input_embeddings().weight.detach()[ids].float().clone())

    @property
    def known_styles(self) -> tuple[str, ...]:
        """The styles that it can be asked for."""
        return tuple(style for style in STYLES if style == NORMAL or style in self.styles)

    @property
    def network(self) -> Any:
        """The causal language model itself, out of peft's wrapping."""
        return self.lm.get_base_model() if hasattr(self.lm, "get_base_model") else self.lm

    def merge(self) -> None:
        """Fold into the language model what can be folded: same outputs, plain speed. Can't be undone."""
        if is_mergeable(self.architecture):
            self.lm = self.lm.merge_and_unload()
        # Generation hands the head a strided slice; without this, PyTorch would copy the head for every row of it.
        self.lm.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(),))

    def trained_state(self) -> dict[str, Tensor]:
        """The weights that belong to this model and not to its base, by name: what a checkpoint holds."""
        held = self.state_dict()
        return {name: held[name].detach() for name in self._trained}

    def load_trained_state(self, state: dict[str, Tensor]) -> None:
        """Put back what `trained_state` gave. KeyError names weights that are missing or too many."""
        mine = self.trained_state()
        if mine.keys() != state.keys():
            raise KeyError(f"weights do not fit: {sorted(mine.keys() ^ state.keys())[:4]} ...")
        for name, weight in mine.items():
            weight.copy_(state[name])

    def read_of(self, frames: FrameBatch) -> Tensor:
        """What the model reads of N frames, on its device. ModelUnavailable where they lack it."""
        array = frames.features.grid if self.vision is None else self.vision.read(frames)
        return torch.from_numpy(array).to(self.projector.place.device)

    def visual_tokens(self, seen: Tensor) -> Tensor:
        """The tokens (N, V, hidden) that stand for N pictures, in the projector's precision."""
        grid = seen if self.vision is None else self.vision(seen)
        tokens: Tensor = self.projector(grid.to(self.projector.place.dtype))
        return tokens

    def embed_text(self, ids: Tensor) -> Tensor:
        """Token ids (..., T) -> embeddings (..., T, hidden). Ids above the vocabulary are vectors of styles."""
        embedding = self.lm.get_input_embeddings()
        words = embedding.num_embeddings
        embedded: Tensor = embedding(ids.clamp(max=words - 1))
        if not self.styles:
            return embedded
        vectors = torch.cat([self.styles[style] for style in LEARNED]).to(embedded.dtype)
        return torch.where((ids >= words)[..., None], vectors[(ids - words).clamp(min=0)], embedded)

    def hidden_states(self, embeds: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """What the last layer makes of B sequences: (B, L, hidden).

        embeds: (B, L, hidden). mask: bool (B, 1, L, L), true where attended. positions: (B, L).
        """
        prefix = self._prefix(len(embeds))
        if prefix is not None:
            before = torch.ones(
                *mask.shape[:3], prefix.get_seq_length(), dtype=torch.bool, device=mask.device
            )
            mask, positions = torch.cat([before, mask], dim=3), positions + prefix.get_seq_length()
        additive = torch.zeros(mask.shape, dtype=self.lm.dtype, device=mask.device)
        additive.masked_fill_(~mask, torch.finfo(self.lm.dtype).min)
        hidden: Tensor = self.network.model(
            inputs_embeds=embeds,
            attention_mask=additive,
            position_ids=positions,
            past_key_values=prefix,
            use_cache=False,
        ).last_hidden_state
        return hidden

    def read(self, embeds: Tensor, mask: Tensor) -> Read:
        """Put sequences (N, L, hidden), of which `mask` (N, L) tells what is padding, before what is to be written."""
        prefix = self._prefix(len(embeds))
        if prefix is not None:
            mask = functional.pad(mask, (prefix.get_seq_length(), 0), value=1)
        places = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -embeds.shape[1] :]
        output = self.network.model(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=places,
            past_key_values=prefix,
            use_cache=True,
        )
        return Read(output.past_key_values, output.last_hidden_state[:, -1], mask, places[:, -1:])

    def _prefix(self, count: int) -> Any:
        """The learned keys and values before `count` sequences, as a cache; None where the method has none."""
        return self.lm.get_prompt(count) if self.architecture.method == "prefix" else None

    @torch.inference_mode()
    def concept_scores(self, features: Features) -> Tensor | None:
        """Scores (N, C) of the words that the concept head knows; None where the model has no such head."""
        if self.concepts is None:
            return None
        grid = torch.from_numpy(features.grid.astype(np.float32)).to(self.projector.place.device)
        scores: Tensor = self.concepts(pooled_grid(grid))
        return scores

    def hints(self, logits: NDArray[np.float32], scores: Tensor | None) -> list[list[str]]:
        """For each of N pictures the names of its likeliest classes and its most striking words.

        logits: class scores (N, 1000). scores: what `concept_scores` gave.
        """
        names, words = class_names(), self.architecture.concepts
        hints = [
            [names[k][0] for k in row]
            for row in top_classes(logits, self.architecture.tags_in_prompt).tolist()
        ]
        if self.concepts is not None and scores is not None:
            striking = self.concepts.striking(scores, self.architecture.concepts_in_prompt)
            for named, row in zip(hints, striking.tolist(), strict=True):
                named += [words[k] for k in row]
        return hints

    def prompt_ids(self, hints: Sequence[str], style: str = NORMAL, context: str = "") -> list[int]:
        """Tokens that follow the visual ones: known context, the hints, and the vectors of a style other than normal.

        InvalidInput names the styles that the model knows.
        """
        known = f"{context}\n" if context else ""
        ids: list[int] = self.tokenizer.encode(known + ", ".join(hints) + "\n", add_special_tokens=False)
        if checked_style(style, self.known_styles) == NORMAL:
            return ids
        count = self.architecture.style_tokens
        first = self.lm.get_input_embeddings().num_embeddings + count * LEARNED.index(style)
        return ids + list(range(first, first + count))

    def agreement(self, texts: Sequence[str], scores: Tensor) -> Tensor:
        """How much likelier than elsewhere the words of each text are here, in nats; texts go by pictures."""
        assert self.concepts is not None
        lifts, beams = self.concepts.lifts(scores), len(texts) // len(scores)
        known = [
            [self._column[word] for word in set(re.findall(r"\w+", text.lower())) if word in self._column]
            for text in texts
        ]
        return torch.stack([lifts[at // beams, columns].sum() for at, columns in enumerate(known)])

    @contextmanager
    def merged(self) -> Iterator[None]:
        """Adapters folded in for a while: to write a lot without their cost. The base comes back bit for bit."""
        tuned = [module for module in self.lm.modules() if hasattr(module, "base_layer")]
        if not is_mergeable(self.architecture) or any(module.merged for module in tuned):
            yield
            return
        bases = [module.base_layer.weight for module in tuned]
        kept = [weight.detach().clone() for weight in bases]
        self.lm.merge_adapter()
        try:
            yield
        finally:
            self.lm.unmerge_adapter()
            with torch.no_grad():
                for weight, before in zip(bases, kept, strict=True):
                    weight.copy_(before)

    def prompts(
        self,
        seen: Tensor,
        hints: Sequence[Sequence[str]],
        styles: Sequence[str],
        contexts: Sequence[str] = (),
    ) -> tuple[Tensor, Tensor]:
        """What stands before the captions of N pictures: (N, L, hidden), padded on the left, and its mask (N, L)."""
        known = contexts or [""] * len(hints)
        prompts = [self.prompt_ids(*each) for each in zip(hints, styles, known, strict=True)]
        longest = max(len(prompt) for prompt in prompts)
        pad = self.tokenizer.eos_token_id
        ids = torch.tensor(
            [prompt + [pad] * (longest - len(prompt)) for prompt in prompts], device=seen.device
        )
        visual = self.visual_tokens(seen)
        sequence = torch.cat([visual.to(self.lm.dtype), self.embed_text(ids)], dim=1)
        mask = torch.ones(sequence.shape[:2], dtype=torch.long, device=seen.device)
        for row, prompt in enumerate(prompts):  # what pads the right goes to the left
            shift = longest - len(prompt)
            sequence[row] = sequence[row].roll(shift, dims=0)
            mask[row, :shift] = 0
        return sequence, mask
