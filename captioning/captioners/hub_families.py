"""What the families of captioning models on the hub want to be given: prompt, image tokens, layout.

Inputs are laid out here, from the model's own image processor and tokenizer, and not by transformers' processors:
those of SmolVLM and Qwen-VL also load what videos need, which nothing else here does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from core.errors import ModelUnavailable

Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class Loaded:
    """A model's parts, and what it is asked; prompt is None where the family is asked nothing."""

    model: Any
    tokenizer: Any
    image_processor: Any
    prompt: str | None


@dataclass(frozen=True)
class Family:
    """prompt: what is asked unless a setting says otherwise. lay_out: from pictures to arguments of `generate`.

    styles: what is asked for a style; none where the family was not taught to follow prompts.
    """

    lay_out: Callable[[Loaded, Sequence[Image]], Inputs]
    prompt: str | None = None
    takes_prompt: bool = True
    styles: Mapping[str, str] = field(default_factory=dict)


def family_of(model_type: str) -> Family:
    """By the `model_type` of a config; ModelUnavailable names the families that are known."""
    if model_type not in FAMILIES:
        raise ModelUnavailable(
            f"Models of type {model_type!r} are not known to caption pictures; CAPTIONER_HUB_MODEL may be of type "
            f"{', '.join(FAMILIES)}."
        )
    return FAMILIES[model_type]


def _pixels_only(loaded: Loaded, pictures: Sequence[Image]) -> Inputs:
    return {"pixel_values": _seen(loaded, pictures)["pixel_values"]}


def _blip(loaded: Loaded, pictures: Sequence[Image]) -> Inputs:
    inputs = _pixels_only(loaded, pictures)
    if loaded.prompt is None:
        return inputs
    return inputs | _repeated(loaded.tokenizer(loaded.prompt)["input_ids"], len(pictures))


def _git(loaded: Loaded, pictures: Sequence[Image]) -> Inputs:
    inputs = _pixels_only(loaded, pictures)
    if loaded.prompt is None:
        return inputs
    words = loaded.tokenizer(loaded.prompt, add_special_tokens=False)["input_ids"]
    return inputs | _repeated([loaded.tokenizer.cls_token_id, *words], len(pictures))


def _blip_2(loaded: Loaded, pictures: Sequence[Image]) -> Inputs:
    inputs = _pixels_only(loaded, pictures)
    if loaded.prompt is None:
        return inputs
    config = loaded.model.config
    words = loaded.tokenizer(loaded.prompt)["input_ids"]  # with the language model's own start before them
    return inputs | _repeated([config.image_token_index] * config.num_query_tokens + words, len(pictures))


#: Florence-2 was taught questions; on its page they go by the names of tasks.
_FLORENCE_TASKS = {
    "<CAPTION>": "What does the image describe?",
    "<DETAILED_CAPTION>": "Describe in detail what is shown in the image.",
    "<MORE_DETAILED_CAPTION>": "Describe with a paragraph what is shown in the image.",
}


def _florence_2(loaded: Loaded, pictures: Sequence[Image]) -> Inputs:
    prompt = loaded.prompt or ""
    tokenizer, count = loaded.tokenizer, loaded.image_processor.image_seq_length
    words = tokenizer(_FLORENCE_TASKS.get(prompt, prompt), add_special_tokens=False)["input_ids"]
    image = [loaded.model.config.image_token_id] * count
    ids = [*image, tokenizer.bos_token_id, *words, tokenizer.eos_token_id]
    return _pixels_only(loaded, pictures) | _repeated(ids, len(pictures))


def _smolvlm(loaded: Loaded, pictures: Sequence[Image]) -> Inputs:
    from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

    # One list of pictures for each text.
    seen = loaded.image_processor(
        [[each] for each in pictures], return_tensors="pt", return_row_col_info=True
    )
    config = loaded.model.config
    vision = config.vision_config
    tokens_per_tile = (vision.image_size // vision.patch_size) ** 2 // config.scale_factor**2
    images = [
        get_image_prompt_string(
            rows, columns, tokens_per_tile, "<fake_token_around_image>", "<image>", "<global-img>"
        )
        for (rows,), (columns,) in zip(seen["rows"], seen["cols"], strict=True)
    ]
    start = loaded.tokenizer.bos_token or ""
    texts = [f"{start}User:{image}{loaded.prompt}<end_of_utterance>\nAssistant:" for image in images]
    masks = {"pixel_attention_mask": seen["pixel_attention_mask"]} if "pixel_attention_mask" in seen else {}
    return {"pixel_values": seen["pixel_values"], **masks, **_left_padded(loaded, texts)}


_QWEN_SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


def _qwen(loaded: Loaded, pictures: Sequence[Image], system: str = _QWEN_SYSTEM) -> Inputs:
    seen = _seen(loaded, pictures)
    counts = seen["image_grid_thw"].prod(dim=1) // loaded.image_processor.merge_size**2
    texts = [
        f"{system}<|im_start|>user\n<|vision_start|>{'<|image_pad|>' * count}<|vision_end|>{loaded.prompt}<|im_end|>\n"
        "<|im_start|>assistant\n"
        for count in counts.tolist()
    ]
    words = _left_padded(loaded, texts)
    return {
        "pixel_values": seen["pixel_values"],
        "image_grid_thw": seen["image_grid_thw"],
        **words,
        # What the model's rotary positions tell pictures from words by.
        "mm_token_type_ids": (words["input_ids"] == loaded.model.config.image_token_id).int(),
    }


def _qwen_3(loaded: Loaded, pictures: Sequence[Image]) -> Inputs:
    return _qwen(loaded, pictures, system="")


def _seen(loaded: Loaded, pictures: Sequence[Image]) -> Any:
    return loaded.image_processor(list(pictures), return_tensors="pt")


def _repeated(ids: list[int], count: int) -> Inputs:
    rows = torch.tensor([ids] * count)
    return {"input_ids": rows, "attention_mask": torch.ones_like(rows)}


def _left_padded(loaded: Loaded, texts: list[str]) -> Inputs:
    """Pictures of other shapes have other numbers of tokens; what is written must begin right behind them."""
    told = loaded.tokenizer(
        texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False
    )
    return {"input_ids": told["input_ids"], "attention_mask": told["attention_mask"]}


_ASKED = "Describe the picture in one short sentence."
_STYLES = {
    "short": "Write alternative text for the picture: one sentence of at most fifteen words.",
    "detailed": "Describe the picture in detail, in two sentences at most.",
}
_FLORENCE_STYLES = {"short": "<CAPTION>", "detailed": "<DETAILED_CAPTION>"}
FAMILIES: dict[str, Family] = {
    "blip": Family(_blip),
    "blip-2": Family(_blip_2),
    "git": Family(_git),
    "vision-encoder-decoder": Family(_pixels_only, takes_prompt=False),
    "florence2": Family(_florence_2, prompt="<CAPTION>", styles=_FLORENCE_STYLES),
    "smolvlm": Family(_smolvlm, prompt=_ASKED, styles=_STYLES),
    "idefics3": Family(_smolvlm, prompt=_ASKED, styles=_STYLES),  # the first SmolVLM calls itself so
    "qwen2_vl": Family(_qwen, prompt=_ASKED, styles=_STYLES),
    "qwen2_5_vl": Family(_qwen, prompt=_ASKED, styles=_STYLES),
    "qwen3_vl": Family(_qwen_3, prompt=_ASKED, styles=_STYLES),
}
