"""Captions drawn from the model's own distribution, many for each picture: what self-critical training learns from."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from captioning.captioners.visual_lm import VisualLanguageModel


class Sample(NamedTuple):
    """A drawn caption: its token ids without the end token, and whether the model did end it."""

    ids: list[int]
    ended: bool


@torch.no_grad()
def sample(
    model: VisualLanguageModel,
    seen: Tensor,
    hints: Sequence[Sequence[str]],
    styles: Sequence[str] | None = None,
    *,
    count: int,
    max_new_tokens: int,
) -> list[list[Sample]]:
    """`count` captions for each of N pictures, drawn from the model's own distribution.

    seen: what the model reads of them, on its device. The pictures and prompts are read once for all their captions.
    """
    embeds, mask = model.prompts(seen, hints, styles or ["normal"] * len(hints))
    read = model.read(embeds, mask)
    cache = read.cache
    cache.batch_repeat_interleave(count)
    logits, mask, place = (
        each.repeat_interleave(count, dim=0)
        for each in (model.lm.get_output_embeddings()(read.hidden), read.mask, read.place)
    )
    end = model.tokenizer.eos_token_id
    samples = [Sample([], ended=False) for _ in range(len(mask))]
    unfinished = list(range(len(samples)))
    for length in range(1, max_new_tokens + 1):
        token = _drawn(logits)
        going_on = []
        for row, drawn in enumerate(token[:, 0].tolist()):
            number = unfinished[row]
            if drawn == end:
                samples[number] = samples[number]._replace(ended=True)
            else:
                samples[number].ids.append(drawn)
                going_on.append(row)
        if not going_on or length == max_new_tokens:
            break
        if len(going_on) < len(unfinished):  # who has ended costs nothing more
            rows = torch.tensor(going_on, device=seen.device)
            cache.batch_select_indices(rows)
            token, mask, place = token[rows], mask[rows], place[rows]
            unfinished = [unfinished[row] for row in going_on]
        mask, place = torch.cat([mask, torch.ones_like(token)], dim=1), place + 1
        logits = model.network(
            inputs_embeds=model.embed_text(token),
            attention_mask=mask,
            position_ids=place,
            past_key_values=cache,
        ).logits[:, -1]
    return [samples[start : start + count] for start in range(0, len(samples), count)]


def _drawn(logits: Tensor) -> Tensor:
    """One token id for each row of (N, V) logits, by inverse transform: `multinomial` draws V numbers to pick one."""
    cumulative = logits.float().softmax(dim=-1).cumsum(dim=-1)
    level = torch.rand((len(logits), 1), device=logits.device) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, level).clamp(max=logits.shape[-1] - 1)
