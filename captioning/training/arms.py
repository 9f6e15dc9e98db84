"""The ways to make a captioner that are compared with one another, each within the same budget of samples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from captioning.training.config import FinetuneConfig
from captioning.training.dataset import CaptionedImage
from captioning.training.scratch import save_scratch_base
from core.errors import InvalidInput

#: Its language model is made on the spot, with random weights.
FROM_SCRATCH = "from scratch"
#: Of its budget, what the self-critical arm spends on cross-entropy before it starts.
_SHARE_BEFORE = 0.5
_EPOCHS = 4


@dataclass(frozen=True)
class Arm:
    """One way. overrides: of the default configuration, as `--set` takes them. samples: a budget of its own, if any."""

    name: str
    what: str
    overrides: tuple[str, ...] = ()
    self_critical: bool = False
    samples: int | None = None


ARMS = (
    Arm(
        FROM_SCRATCH,
        "a small decoder with random weights, all of them trained",
        ("method=full", "concepts_in_prompt=0", "learning_rate=1e-3"),
    ),
    Arm(
        "linear projector",
        "the language model untouched, behind a linear map of the features",
        ("method=projector_only", "projector=linear"),
    ),
    Arm(
        "prefix tuning", "learned keys and values before every layer", ("method=prefix", "learning_rate=1e-2")
    ),
    Arm("bottleneck adapters", "a narrow detour behind every MLP", ("method=bottleneck",)),
    Arm("LoRA", "low-rank changes of every linear map"),
    Arm("AdaLoRA", "the same with ranks moved to where they matter", ("method=adalora",)),
    Arm("top layers", "the four layers next to the output", ("method=top_layers", "learning_rate=1e-4")),
    Arm("LoRA, then self-critical", "half of the budget each", self_critical=True),
)


def arms_named(names: Sequence[str]) -> tuple[Arm, ...]:
    """The arms of these names, in order; all of them for none. `NAME=SAMPLES` gives one a budget of its own.

    InvalidInput names one that there isn't, and a budget that is none.
    """
    return tuple(_arm_named(*name.split("=", 1)) for name in names) if names else ARMS


def _arm_named(name: str, samples: str = "") -> Arm:
    arm = next((arm for arm in ARMS if arm.name == name), None)
    if arm is None:
        known = ", ".join(arm.name for arm in ARMS)
        raise InvalidInput(f"There is no arm {name!r}; there are {known}.", field="arm")
    if not samples:
        return arm
    if not samples.isdecimal() or not int(samples):
        raise InvalidInput(f"{name} can't be shown {samples!r} pictures: give a whole number.", field="arm")
    return replace(arm, samples=int(samples))


def stages(
    arm: Arm, samples: int, images: Sequence[CaptionedImage], folder: Path, base: FinetuneConfig
) -> list[FinetuneConfig]:
    """The runs that make this arm out of `samples` pictures shown, one after the other; each starts from the last.

    folder: of the arm; its runs are in folder/1, folder/2, with the finished checkpoint of each in `checkpoint`.
    """
    config = base.with_overrides(list(arm.overrides))
    if arm.name == FROM_SCRATCH:
        config = replace(config, base=str(save_scratch_base(images, folder / "base", base.seed)))
    if not arm.self_critical:
        return [within(config, samples, len(images))]
    before = round(samples * _SHARE_BEFORE)
    refined = FinetuneConfig.load(Path(__file__).with_name("self_critical.json"))
    refined = replace(
        refined,
        start_from=str(checkpoint_of(folder, 1)),
        device=base.device,
        seed=base.seed,
        evaluation_images=base.evaluation_images,
    )
    return [within(config, before, len(images)), within(refined, samples - before, len(images))]


def run_of(folder: Path, stage: int) -> Path:
    """The folder of an arm's first, second ... run."""
    return folder / str(stage)


def checkpoint_of(folder: Path, stage: int) -> Path:
    """Where that run leaves its finished checkpoint."""
    return run_of(folder, stage) / "checkpoint"


def within(config: FinetuneConfig, samples: int, images: int) -> FinetuneConfig:
    """The configuration with epochs that show `samples` pictures in all, and a warm-up of at most a tenth of them."""
    epochs = max(_EPOCHS, -(-samples // images))
    steps = samples // config.images_per_batch
    return replace(
        config,
        epochs=epochs,
        images_per_epoch=max(1, samples // epochs),
        warmup_steps=min(config.warmup_steps, max(1, steps // 10)),
    )
