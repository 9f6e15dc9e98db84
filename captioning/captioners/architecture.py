"""What has to be known to rebuild the module that a checkpoint's weights fit."""

from dataclasses import dataclass

from captioning.vision.backbone import GRID_SIDE
from core.errors import InvalidInput

#: How the language model is taught to read pictures; `captioning.captioners.adaptation` says what each one is.
METHODS = ("lora", "adalora", "prefix", "bottleneck", "top_layers", "full", "projector_only")
PROJECTORS = ("mlp", "linear", "resampler")
COUNTS = ("projector_width", "lora_rank", "lora_alpha", "prefix_length", "bottleneck_width", "top_layers")
#: How much of the vision backbone is the captioner's own: nothing, what works on the 9x9 map, or the whole.
BACKBONES = ("frozen", "last_stage", "all")


@dataclass(frozen=True)
class Architecture:
    """Shapes and kinds, saved in `model.json`.

    lora_rank, lora_alpha: of `lora` and `adalora`. prefix_length: of `prefix`. bottleneck_width: of `bottleneck`.
    top_layers: how many layers next to the output `top_layers` trains. concepts: the words that the concept head
    knows; training takes them from its captions. reads_context: whether it was shown titles and tags in training.
    style_tokens: learned vectors that ask for a style; 0 where the model writes in the normal one only.
    """

    backbone: str = "frozen"
    visual_side: int = 4
    projector: str = "mlp"
    projector_width: int = 1024
    tags_in_prompt: int = 3
    concepts_in_prompt: int = 8
    concepts: tuple[str, ...] = ()
    method: str = "lora"
    lora_rank: int = 16
    lora_alpha: int = 32
    prefix_length: int = 16
    bottleneck_width: int = 64
    top_layers: int = 4
    reads_context: bool = False
    style_tokens: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "concepts", tuple(self.concepts))  # JSON knows only lists
        if not 1 <= self.visual_side <= GRID_SIDE:
            raise InvalidInput(f"visual_side is from 1 to {GRID_SIDE}, not {self.visual_side}.", field="set")
        least = dict.fromkeys(COUNTS, 1) | dict.fromkeys(
            ("tags_in_prompt", "concepts_in_prompt", "style_tokens"), 0
        )
        for key, fewest in least.items():
            if getattr(self, key) < fewest:
                raise InvalidInput(f"{key} must be at least {fewest}, not {getattr(self, key)}.", field="set")
        for key, allowed in (("backbone", BACKBONES), ("method", METHODS), ("projector", PROJECTORS)):
            if getattr(self, key) not in allowed:
                raise InvalidInput(
                    f"Unknown {key} {getattr(self, key)!r}; allowed: {', '.join(allowed)}.", field="set"
                )
