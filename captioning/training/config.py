"""Everything a fine-tuning run can be told, with defaults that suit two CPU cores."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar, get_origin

from captioning.captioners.architecture import BACKBONES, Architecture
from captioning.captioners.checkpoint import base_folder, read_manifest
from captioning.captioners.language_model import PACKAGED
from captioning.captioners.styles import LEARNED, NORMAL
from captioning.training.features import VIEWS
from core.errors import InvalidInput

T = TypeVar("T")
#: Words that a key may have as its value; those of the architecture are checked where it is.
CHOICES: dict[str, tuple[str, ...]] = {
    "objective": ("cross_entropy", "cider", "adversarial"),
    "trains": ("captions", "styles"),
    "optimizer": ("adamw", "adafactor", "sgd"),
    "tracker": ("tensorboard", "wandb", "none"),
    "schedule": ("cosine", "linear", "constant"),
}
COUNTS = (
    *("epochs", "images_per_batch", "images_per_epoch", "accumulate", "captions_per_image"),
    *("patience", "max_caption_tokens", "evaluation_images"),
)
#: Nothing learns at a rate of 0, which is how one part is trained alone.
AMOUNTS = (
    *("learning_rate", "projector_learning_rate", "backbone_learning_rate"),
    *("weight_decay", "warmup_steps", "regrid_side", "checkpoint_every_s"),
)
_SEEDS = 2**32
SHARES = (
    "label_smoothing",
    "dropout",
    "adapter_dropout",
    "hint_dropout",
    "review_share",
    "context_share",
    "word_dropout",
    "ema",
    "adversarial_share",
)


@dataclass(frozen=True)
class FinetuneConfig:
    """Configuration of one run; saved beside its checkpoint.

    objective: `cross_entropy` on the human captions, `cider`, self-critical on the model's own samples, or
    `adversarial`, where a discriminator judges these. adversarial_share: of its reward; CIDEr gives the rest.
    trains: `captions`, or `styles`: nothing but the `style_tokens` vectors of each style of the checkpoint it starts
    from, on each picture's two shortest and two longest captions.
    start_from: folder of a finished checkpoint to go on from; its base and architecture are taken over, but that a
    frozen backbone may be trained from here on (`architecture.backbone`, at `backbone_learning_rate`), and that its
    visual tokens may be another number, `regrid_side` squared.
    captions_per_image: human captions, or samples, of a picture in one step. images_per_epoch: none means all.
    accumulate: batches whose gradients are added up for one step. patience: stop after so many epochs in a row
    without a better score; none means never. dropout: in the projector. adapter_dropout: before adapters.
    review_share: share of the pictures of an epoch that are drawn from reviewed ones, where there are any; none of
    them is shown more than four times an epoch.
    context_share: share of the pictures that are shown with what is known of them (title and tags); above 0 the
    captioner reads them from then on.
    word_dropout: share of the words read that are replaced at random; those to be said stay right.
    paraphrase: adds another way to say each caption: `completion` by the language model, or `translate:THERE,BACK`
    through another language, with the dotted paths of two translators.
    tracker: where curves and captions are shown while it runs, beside history.jsonl and curves.png in its folder.
    ema: how much of the running mean of the weights, which is what is evaluated and kept, each step leaves.
    """

    base: str = PACKAGED
    objective: str = "cross_entropy"
    adversarial_share: float = 1.0
    trains: str = "captions"
    start_from: str = ""
    regrid_side: int = 0
    architecture: Architecture = field(default_factory=Architecture)
    epochs: int = 4
    patience: int | None = None
    images_per_batch: int = 16
    accumulate: int = 1
    images_per_epoch: int | None = None
    captions_per_image: int = 5
    optimizer: str = "adamw"
    schedule: str = "cosine"
    learning_rate: float = 5e-4
    projector_learning_rate: float = 1e-3
    backbone_learning_rate: float = 1e-4
    weight_decay: float = 0.01
    warmup_steps: int = 100
    label_smoothing: float = 0.0
    dropout: float = 0.1
    adapter_dropout: float = 0.0
    hint_dropout: float = 0.1
    review_share: float = 0.5
    context_share: float = 0.0
    word_dropout: float = 0.0
    paraphrase: str = ""
    max_caption_tokens: int = 32
    gradient_clip: float = 1.0
    ema: float = 0.98
    views: tuple[str, ...] = ("plain", "mirror", "crop")
    seed: int = 0
    device: str = "auto"
    tracker: str = "tensorboard"
    evaluation_images: int = 200
    checkpoint_every_s: int = 300

    def __post_init__(self) -> None:
        for key, allowed in CHOICES.items():
            _must(
                getattr(self, key) in allowed,
                f"Unknown {key} {getattr(self, key)!r}; allowed: {', '.join(allowed)}.",
            )
        object.__setattr__(self, "views", tuple(self.views))  # JSON knows only lists
        for view in self.views:
            _must(view in VIEWS, f"Unknown view {view!r}; allowed: {', '.join(VIEWS)}.")
        _must("plain" in self.views, "views must have plain among them: it is shown half of the time.")
        for key in COUNTS:
            value = getattr(self, key)
            _must(value is None or value >= 1, f"{key} must be at least 1, not {value}.")
        for key in AMOUNTS:
            value = getattr(self, key)
            _must(0 <= value < math.inf, f"{key} is a number from 0 on, not {value}.")
        _must(0 <= self.seed < _SEEDS, f"seed is a whole number from 0 to {_SEEDS - 1}, not {self.seed}.")
        _must(self.gradient_clip > 0, f"gradient_clip must be above 0, not {self.gradient_clip}.")
        for key in SHARES:
            _must(0 <= getattr(self, key) <= 1, f"{key} is a share from 0 to 1, not {getattr(self, key)}.")
        _must(
            self.review_share < 1,
            "review_share must be below 1: without the base data it would be forgotten.",
        )
        _must(
            not self.context_share or self.objective == "cross_entropy",
            "context_share is of objective=cross_entropy: samples are drawn without context.",
        )

    def resolved(self, concepts: Sequence[str] = ()) -> Self:
        """With the base and architecture of the checkpoint it starts from, else with these concepts to be learned.

        ModelUnavailable if there is no such checkpoint; InvalidInput for a combination that can't be run.
        """
        if self.objective != "cross_entropy":
            _must(
                bool(self.start_from),
                f"objective={self.objective} needs start_from=CHECKPOINT: samples of a model that can't write teach "
                "nothing.",
            )
            _must(
                self.captions_per_image >= 2,
                f"objective={self.objective} needs captions_per_image of 2 or more, to compare.",
            )
        if self.trains == "styles":
            _must(bool(self.start_from), "trains=styles needs start_from=CHECKPOINT: it trains nothing else.")
        teaches = self.trains == "styles"
        _must(
            teaches == (self.architecture.style_tokens > 0),
            "trains=styles needs style_tokens of 1 or more."
            if teaches
            else "style_tokens needs trains=styles.",
        )
        _must(bool(self.start_from) or not self.regrid_side, "regrid_side needs start_from=CHECKPOINT.")
        if not self.start_from:
            learned = concepts if self.architecture.concepts_in_prompt else ()
            architecture = replace(self.architecture, concepts=tuple(learned))
            return replace(self, architecture=self._reading_context(architecture))
        start = read_manifest(Path(self.start_from))
        base = base_folder(start, Path(self.start_from))
        # Styles belong to the weights that they were learned with: those that train on lose them.
        start_architecture = replace(start.architecture, style_tokens=self.architecture.style_tokens)
        if self.regrid_side:
            _must(
                start.architecture.projector != "resampler",
                "regrid_side is of the projectors mlp and linear: a resampler's queries have no places in a grid.",
            )
            start_architecture = replace(start_architecture, visual_side=self.regrid_side)
        return replace(self, base=base, architecture=self._reading_context(self._thawed(start_architecture)))

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles that captions are shown in, and evaluated in."""
        return LEARNED if self.trains == "styles" else (NORMAL,)

    def _thawed(self, start: Architecture) -> Architecture:
        """That of the checkpoint; its backbone, where that was frozen, as this configuration wants it."""
        asked = self.architecture.backbone
        allowed = BACKBONES if start.backbone == "frozen" else ("frozen", start.backbone)
        _must(
            asked in allowed,
            f"backbone={asked} can't go on from {self.start_from}, which has trained its {start.backbone}; allowed: "
            f"{', '.join(allowed)} (frozen leaves it as the checkpoint has it).",
        )
        return replace(start, backbone=asked if start.backbone == "frozen" else start.backbone)

    def _reading_context(self, architecture: Architecture) -> Architecture:
        return replace(architecture, reads_context=architecture.reads_context or self.context_share > 0)

    def to_json(self) -> str:
        """As saved in `config.json`."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """From parsed JSON; InvalidInput names an unknown key and the allowed ones."""
        values = _object(values)
        architecture = _filled(Architecture, values.pop("architecture", {}))
        return replace(_filled(cls, values), architecture=architecture)

    @classmethod
    def load(cls, path: Path) -> Self:
        """From a JSON file of keys and values; InvalidInput where it is none."""
        try:
            values = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidInput(f"{path} can't be read as a JSON file: {error}", field="config") from error
        return cls.from_dict(values)

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


def _must(right: bool, otherwise: str) -> None:
    if not right:
        raise InvalidInput(otherwise, field="set")


def _object(values: Any) -> dict[str, Any]:
    _must(isinstance(values, dict), f"A configuration is a JSON object of keys and values, not {values!r}.")
    return dict(values)


def _filled(kind: type[T], values: dict[str, Any]) -> T:
    values = _object(values)
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for key, value in values.items():
        _check_key(key, known)
        wanted: Any = known[key].type
        if wanted is float and isinstance(value, int):
            continue
        if get_origin(wanted) is tuple:
            wanted = "a list of words"
            fits = isinstance(value, tuple | list) and all(isinstance(each, str) for each in value)
        else:
            fits = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
        _must(fits, f"{key} must be {getattr(wanted, '__name__', wanted)}, not {value!r}.")
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
