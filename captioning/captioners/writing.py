"""From what a captioner reads to sentences: decoding, and the ranking of what it keeps."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LogitsProcessorList, NoRepeatNGramLogitsProcessor

from captioning.captioners.candidates import Candidate
from captioning.captioners.styles import NORMAL
from captioning.captioners.visual_lm import VisualLanguageModel


def write(
    model: VisualLanguageModel,
    seen: Tensor,
    hints: Sequence[Sequence[str]],
    scores: Tensor | None = None,
    **how: Any,
) -> tuple[list[str], list[float]]:
    """Captions of N pictures and the geometric mean of their token probabilities: the first of `n_best`."""
    best = [candidates[0] for candidates in n_best(model, seen, hints, scores, **how)]
    return [each.text for each in best], [each.confidence for each in best]


@torch.inference_mode()
def n_best(
    model: VisualLanguageModel,
    seen: Tensor,
    hints: Sequence[Sequence[str]],
    scores: Tensor | None = None,
    *,
    style: str = NORMAL,
    contexts: Sequence[str] = (),
    concept_agreement: float = 0.0,
    **decoding: Any,
) -> list[list[Candidate]]:
    """For each of N pictures every sentence that the decoding kept, the best first: one for each beam.

    seen: what is read of them, on the model's device. scores: what `concept_scores` gave; with them the beams are
    ranked by their own score plus `concept_agreement` times how well their words agree with the picture. decoding:
    arguments of transformers' `generate`.
    """
    embeds, mask = model.prompts(seen, hints, [style] * len(hints), contexts)
    beams = decoding.get("num_beams", 1)
    # Each picture and its prompt are read once, and not once for each beam.
    read = model.read(embeds[:, :-1], mask[:, :-1])
    read.cache.batch_repeat_interleave(beams)
    before = read.mask.shape[1] + 1 - mask.shape[1]
    # By hand: `generate` would warn that it leaves out the prompt, of which it knows no tokens. That is meant.
    repeats = decoding.pop("no_repeat_ngram_size", 0)
    output = model.network.generate(
        # `generate` cuts off what the cache has already, and expects it to be there.
        inputs_embeds=functional.pad(embeds, (0, 0, before, 0)),
        attention_mask=functional.pad(mask, (before, 0), value=1),
        past_key_values=read.cache,
        eos_token_id=model.tokenizer.eos_token_id,
        pad_token_id=model.tokenizer.eos_token_id,
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=bool(decoding.get("do_sample")),
        num_return_sequences=beams,
        logits_processor=LogitsProcessorList([NoRepeatNGramLogitsProcessor(repeats)] if repeats else []),
        **decoding,
    )
    found = _candidates(model, output, beams, scores, concept_agreement)
    return [sorted(found[at : at + beams], key=lambda each: -each.rank) for at in range(0, len(found), beams)]


def _candidates(
    model: VisualLanguageModel, output: Any, beams: int, scores: Tensor | None, concept_agreement: float
) -> list[Candidate]:
    """What `generate` returned, beam by beam of each picture."""
    texts = model.tokenizer.batch_decode(output.sequences, skip_special_tokens=True)
    steps = model.network.compute_transition_scores(
        output.sequences,
        output.logits or output.scores,  # where words are drawn, what a nucleus leaves out counts, too
        getattr(output, "beam_indices", None),
        normalize_logits=True,
    ).float()
    written = (steps.isfinite() & (steps < 0)).float()
    totals = (steps.nan_to_num(neginf=0.0) * written).sum(dim=1)
    agreements = torch.zeros_like(totals) if scores is None else model.agreement(texts, scores)
    own = totals if beams == 1 else output.sequences_scores.float()
    ranks = own + concept_agreement * agreements
    return [
        Candidate(text.strip(), *figures)
        for text, *figures in zip(
            texts,
            totals.tolist(),
            written.sum(dim=1).clamp(min=1).tolist(),
            agreements.tolist(),
            ranks.tolist(),
            strict=True,
        )
    ]
