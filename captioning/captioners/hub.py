"""Captioners out of the Hugging Face hub: one class, and a table of what each family wants (hub_families)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer, PreTrainedConfig

from captioning.captioners.base import CaptionDraft, draft_of
from captioning.captioners.decoding import Decoding
from captioning.captioners.hub_families import Family, Loaded, family_of
from captioning.captioners.hub_options import HubOptions, hub_arguments
from captioning.captioners.repeatable import repeatable
from captioning.captioners.styles import NORMAL, STYLES, checked_style, decoded_in
from captioning.vision.frames import FrameBatch
from core.devices import best_device, inference_dtype, keep_large_blocks
from core.errors import ModelUnavailable


class HubCaptioner:
    """A pretrained model that reads pixels, not our backbone's features. Safetensors only, and no code but our own."""

    def __init__(
        self, options: HubOptions, decoding: Decoding | None = None, device: str | None = None, **_: Any
    ) -> None:
        """ModelUnavailable says which setting is wrong, or how to get the weights."""
        decoding = decoding or Decoding()
        self.model_id = options.model_id(decoding)
        self.decoding = hub_arguments(decoding)
        self.picture_px = options.picture_px
        self.batch_size = options.batch_size
        self.device = best_device(options.device or device)
        if self.device.type == "cpu":
            keep_large_blocks()
        self.dtype = (
            inference_dtype(self.device) if options.dtype == "auto" else getattr(torch, options.dtype)
        )
        self.family, self.loaded = _load(options, self.dtype)
        self.loaded.model.to(self.device).eval()
        self._ends = _end_tokens(self.loaded)

    @property
    def styles(self) -> Sequence[str]:
        """Those that its family has a prompt for."""
        return [style for style in STYLES if style == NORMAL or style in self.family.styles]

    def caption(self, frames: FrameBatch, style: str = NORMAL) -> Sequence[CaptionDraft]:
        """One draft per frame, in order. Of the pictures where the batch carries them, else of its squares."""
        checked_style(style, self.styles)
        pictures = [Image.fromarray(each) for each in (frames.pictures or frames.pixels)]
        drafts: list[CaptionDraft] = []
        for start in range(0, len(pictures), self.batch_size):
            drafts += self._caption(pictures[start : start + self.batch_size], style)
        return drafts

    @torch.inference_mode()
    def _caption(self, pictures: Sequence[Image.Image], style: str) -> list[CaptionDraft]:
        asked = replace(self.loaded, prompt=self.family.styles.get(style, self.loaded.prompt))
        inputs = {name: self._placed(each) for name, each in self.family.lay_out(asked, pictures).items()}
        decoding = decoded_in(style, self.decoding)
        beams = decoding.get("num_beams", 1)
        with repeatable(decoding, self.device):
            output = self.loaded.model.generate(
                **inputs,
                **decoding,
                num_return_sequences=beams,
                return_dict_in_generate=True,
                output_logits=True,
                output_scores=True,
            )
        tokens, log_probabilities = written(output)
        told = self.loaded.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        texts = [" ".join(text.split()) for text in told]
        sure = confidences(tokens, log_probabilities, self._ends)
        return [draft_of(texts[at : at + beams], sure[at], style=style) for at in range(0, len(texts), beams)]

    def _placed(self, values: Tensor) -> Tensor:
        return values.to(self.device, self.dtype) if values.is_floating_point() else values.to(self.device)


def written(output: Any) -> tuple[Tensor, Tensor]:
    """The tokens (N, T) that `generate` wrote behind its prompt, and the model's log-probability of each."""
    steps = torch.stack(output.logits).float().log_softmax(dim=-1)  # (T, rows, V)
    rows = getattr(output, "beam_indices", None)
    length = len(steps) if rows is None else int((rows >= 0).sum(dim=1).max())
    tokens = output.sequences[:, output.sequences.shape[1] - length :]
    if rows is None:
        rows = torch.arange(len(tokens), device=tokens.device)[:, None].expand(-1, length)
    at = torch.arange(length, device=tokens.device)[None]
    return tokens, steps[at, rows[:, :length].clamp(min=0), tokens]


def confidences(tokens: Tensor, log_probabilities: Tensor, ends: Sequence[int]) -> list[float]:
    """Geometric mean of each row's probabilities up to its end token."""
    ended = torch.isin(tokens, torch.tensor(ends, device=tokens.device)).long().cumsum(dim=1)
    counted = (
        ended.cumsum(dim=1) <= 1
    ).float()  # the first end token is a choice of the model's, what follows is not
    means = (log_probabilities * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
    return means.exp().clamp(0, 1).tolist()


def _load(options: HubOptions, dtype: torch.dtype) -> tuple[Family, Loaded]:
    where: dict[str, Any] = {
        "pretrained_model_name_or_path": options.named,
        "local_files_only": not options.download,
        "trust_remote_code": False,
    }
    if options.revision:
        where["revision"] = options.revision
    try:
        family = family_of(str(PreTrainedConfig.get_config_dict(**where)[0].get("model_type")))
        if options.prompt and not family.takes_prompt:
            raise ModelUnavailable(
                f"{options.named} can't be asked anything: leave CAPTIONER_HUB_PROMPT unset."
            )
        processor = AutoImageProcessor.from_pretrained(**where)
        tokenizer = AutoTokenizer.from_pretrained(**where)
        model = AutoModelForImageTextToText.from_pretrained(**where, dtype=dtype, use_safetensors=True)
    except ModelUnavailable:
        raise
    except Exception as error:  # transformers, fed what it can't read, raises nearly anything
        raise ModelUnavailable(_how_to_get(options, error)) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return family, Loaded(model, tokenizer, processor, options.prompt or family.prompt)


def _how_to_get(options: HubOptions, error: Exception) -> str:
    problem = f"The captioner that CAPTIONER_HUB_MODEL names, {options.named}, can't be loaded: {error}"
    revision = f" --revision {options.revision}" if options.revision else ""
    remedy = (
        "The folder must hold config, tokenizer, image processor, and weights in safetensors."
        if Path(options.named).is_dir()
        else f"Get its weights (in safetensors) by `hf download {options.named}{revision}`, name a folder that holds "
        "them, or set CAPTIONER_HUB_DOWNLOAD=true on a machine that reaches the hub."
    )
    return " ".join(f"{problem} {remedy}".split())


def _end_tokens(loaded: Loaded) -> list[int]:
    """Whatever ends a caption: families keep it in different places."""
    config = loaded.model.config
    known: list[Any] = [loaded.tokenizer.eos_token_id, loaded.tokenizer.sep_token_id]
    for part in (loaded.model.generation_config, config, getattr(config, "text_config", None)):
        told = getattr(part, "eos_token_id", None)
        known += told if isinstance(told, list) else [told]
    return sorted({each for each in known if each is not None})
