"""What is trained: the base with fresh parts, or a finished checkpoint to go on from."""

from pathlib import Path

import torch

from captioning.captioners.adaptation import is_mergeable, trains_base_weights
from captioning.captioners.checkpoint import is_of_styles, load_checkpoint
from captioning.captioners.language_model import load_base
from captioning.captioners.projectors import regridded
from captioning.captioners.visual_lm import VisualLanguageModel
from captioning.training.config import FinetuneConfig
from core.devices import best_device, inference_dtype

_PLACES = "projector.place"


def build_model(config: FinetuneConfig, cache_dir: Path) -> VisualLanguageModel:
    """The base with adapters and projector; adapters in float32, the frozen base in the fast dtype.

    Fresh and seeded, or those of the checkpoint that `config.start_from` names.
    """
    torch.manual_seed(config.seed)
    device = best_device(config.device)
    tokenizer, lm = load_base(config.base, cache_dir)
    lm.set_attn_implementation(
        "eager"
    )  # short sequences with a mask of their own: several times faster on a CPU
    precision = torch.float32 if trains_base_weights(config.architecture) else inference_dtype(device)
    model = VisualLanguageModel(
        lm.to(precision),
        tokenizer,
        config.architecture,
        dropout=config.dropout,
        adapter_dropout=config.adapter_dropout,
    )
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    if config.start_from:
        _, weights = load_checkpoint(Path(config.start_from))
        fresh = {
            name: weight
            for name, weight in model.trained_state().items()
            if name.startswith("vision.") or is_of_styles(name)
        }
        kept = {name: weight for name, weight in weights.items() if not is_of_styles(name)}
        if config.regrid_side:
            kept[_PLACES] = regridded(kept[_PLACES], config.regrid_side)
        with torch.no_grad():
            model.load_trained_state(fresh | kept)
    if config.trains == "styles":
        model.requires_grad_(requires_grad=False)
        model.styles.requires_grad_(requires_grad=True)
        if is_mergeable(config.architecture):
            model.lm.merge_adapter()  # as it is where it serves
    return model.to(device)
