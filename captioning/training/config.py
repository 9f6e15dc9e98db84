"""Everything a fine-tuning run can be told, with defaults that suit two CPU cores."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from captioning.captioners.checkpoint import read_manifest
from captioning.captioners.language_model import PACKAGED
from captioning.captioners.visual_lm import Architecture
from core.errors import InvalidInput

T = TypeVar("T")
OBJECTIVES = ("cross_entropy", "cider")


@dataclass(frozen=True)
class FinetuneConfig:
    """Configuration of one run; saved beside its checkpoint.

    objective: `cross_entropy` on the human captions, or `cider`, self-critical on the model's own samples.
    start_from: folder of a finished checkpoint to go on from; its base and architecture are taken over.
    captions_per_image: human captions, or samples, of a picture in one step. images_per_epoch: none means all.
    style_share: share of the pictures that are shown with their short or their detailed captions, and told so.
    ema: how much of the running mean of the weights, which is what is evaluated and kept, each step leaves.
    """

    base: str = PACKAGED
    objective: str = "cross_entropy"
    start_from: str = ""
    architecture: Architecture = field(default_factory=Architecture)
    epochs: int = 4
    images_per_batch: int = 16
    images_per_epoch: int | None = None
    captions_per_image: int = 5
    learning_rate: float = 5e-4
    projector_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 100
    label_smoothing: float = 0.0
    dropout: float = 0.1
    hint_dropout: float = 0.1
    style_share: float = 0.25
    max_caption_tokens: int = 32
    gradient_clip: float = 1.0
    ema: float = 0.98
    views: tuple[str, ...] = ("plain", "mirror", "crop")
    seed: int = 0
    device: str = "auto"
    evaluation_images: int = 200
    checkpoint_every_s: int = 300

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise InvalidInput(
                f"Unknown objective {self.objective!r}; allowed: {', '.join(OBJECTIVES)}.", field="set"
            )

    def resolved(self, concepts: Sequence[str] = ()) -> Self:
        """With the base and architecture of the checkpoint it starts from, else with these concepts to be learned.

        ModelUnavailable if there is no such checkpoint.
        """
        if not self.start_from:
            learned = concepts if self.architecture.concepts_in_prompt else ()
            return replace(self, architecture=replace(self.architecture, concepts=tuple(learned)))
        start = read_manifest(Path(self.start_from))
        return replace(self, base=start.base, architecture=start.architecture)

    def to_json(self) -> str:
        """As saved in `config.json`."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """From parsed JSON; InvalidInput names an unknown key and the allowed ones."""
        values = dict(values)
        architecture = _filled(Architecture, values.pop("architecture", {}))
        if "views" in values:
            values["views"] = tuple(values["views"])
        return replace(_filled(cls, values), architecture=architecture)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a JSON file of keys and values."""
        return cls.from_dict(json.loads(path.read_text("utf-8")))

    def with_overrides(self, pairs: list[str]) -> Self:
        """Apply `key=value` pairs; values are JSON, or plain words."""
        values = asdict(self)
        for pair in pairs:
            key, separator, value = pair.partition("=")
            if not separator:
                raise InvalidInput(f"{pair!r} is not key=value.", field="set")
            target = values["architecture"] if key in values["architecture"] else values
            _check_key(key, values | values["architecture"])
            target[key] = _parsed(value)
        return self.from_dict(values)


def _filled(kind: type[T], values: dict[str, Any]) -> T:
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for key in values:
        _check_key(key, known)
    return kind(**values)


def _check_key(key: str, known: dict[str, Any]) -> None:
    if key not in known:
        raise InvalidInput(
            f"Unknown configuration key {key!r}; allowed: {', '.join(sorted(known))}.", field="set"
        )


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
