"""A trained captioner as a standard transformers checkpoint: what was learned folded into the language model."""

from dataclasses import replace
from pathlib import Path

import torch

from captioning.captioners.adaptation import is_separable
from captioning.captioners.checkpoint import BESIDE, Manifest, base_folder, load_checkpoint, save_checkpoint
from captioning.captioners.language_model import load_base
from captioning.captioners.visual_lm import VisualLanguageModel
from core.errors import InvalidInput

LANGUAGE_MODEL = "language_model"
_READS_PICTURES = ("vision.", "projector.", "concepts.", "styles.")


def export(checkpoint: Path, output: Path, cache_dir: Path) -> Manifest:
    """Write `output`/language_model, a causal language model in bfloat16 that transformers loads, with its tokenizer.

    In `output` itself are the projector, concept head and own part of the backbone that make it read pictures: a
    checkpoint of our own kind. It writes the same captions where `inference_dtype` is bfloat16; elsewhere rounding may
    change a word.

    InvalidInput for methods that add parts which plain transformers doesn't know.
    """
    manifest, weights = load_checkpoint(checkpoint)
    if not is_separable(manifest.architecture):
        raise InvalidInput(
            f"{checkpoint} was trained with method={manifest.architecture.method}, whose parts can't be folded into "
            "the language model. Methods that can: lora, adalora, top_layers, full, projector_only."
        )
    tokenizer, lm = load_base(base_folder(manifest, checkpoint), cache_dir)
    model = VisualLanguageModel(lm, tokenizer, manifest.architecture)
    with torch.no_grad():
        model.load_trained_state(weights)
    model.merge()
    model.network.to(torch.bfloat16).save_pretrained(output / LANGUAGE_MODEL)
    tokenizer.save_pretrained(output / LANGUAGE_MODEL)
    return save_checkpoint(
        output,
        {name: weight for name, weight in weights.items() if name.startswith(_READS_PICTURES)},
        base=f"{BESIDE}{LANGUAGE_MODEL}",
        architecture=replace(manifest.architecture, method="projector_only"),
        decoding=manifest.decoding,
        name=manifest.name,
    )
