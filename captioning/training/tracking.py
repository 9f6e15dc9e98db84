"""Where a run shows itself: TensorBoard by default, Weights & Biases for those who use it."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from captioning.training.config import FinetuneConfig
from core.errors import InvalidInput


class Tracker(Protocol):
    """What is told of a run while it goes on."""

    def measured(self, step: int, values: Mapping[str, float]) -> None:
        """Figures at a step, by name."""

    def wrote(self, step: int, captions: Mapping[str, str]) -> None:
        """What the model writes of a few pictures now, by file name."""

    def close(self) -> None:
        """The run is over, or goes on another time."""


def make_tracker(config: FinetuneConfig, run_dir: Path, *, step: int) -> Tracker:
    """The tracker that the configuration names. InvalidInput where its package isn't there, or it can't log in."""
    if config.tracker == "none":
        return _Silent()
    if config.tracker == "wandb":
        return _WeightsAndBiases(config, run_dir)
    return _TensorBoard(run_dir / "tensorboard", step)


class _Silent:
    def measured(self, step: int, values: Mapping[str, float]) -> None:
        pass

    def wrote(self, step: int, captions: Mapping[str, str]) -> None:
        pass

    def close(self) -> None:
        pass


class _TensorBoard:
    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # what a run that was cut off wrote after its last checkpoint is drawn anew
        self.writer: Any = SummaryWriter(str(folder), purge_step=step or None)

    def measured(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def wrote(self, step: int, captions: Mapping[str, str]) -> None:
        lines = "\n".join(f"- {name}: {caption}" for name, caption in captions.items())
        self.writer.add_text("captions", lines, step)

    def close(self) -> None:
        self.writer.close()


class _WeightsAndBiases:
    """`WANDB_MODE=offline` keeps everything in the run's folder until `wandb sync`."""

    def __init__(self, config: FinetuneConfig, run_dir: Path) -> None:
        try:
            import wandb
        except ImportError as error:
            raise InvalidInput(
                "tracker=wandb needs the package wandb: pip install wandb.", field="set"
            ) from error
        self.table: Any = wandb.Table
        try:
            self.run: Any = wandb.init(
                project="sightline",
                dir=str(run_dir),
                id=_name(run_dir),
                resume="allow",
                config=asdict(config),
            )
        except wandb.Error as error:
            raise InvalidInput(
                f"tracker=wandb: {error} Log in with `wandb login`, or set WANDB_MODE=offline.", field="set"
            ) from error

    def measured(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def wrote(self, step: int, captions: Mapping[str, str]) -> None:
        rows = [list(pair) for pair in captions.items()]
        self.run.log({"captions": self.table(columns=["picture", "caption"], data=rows)}, step=step)

    def close(self) -> None:
        self.run.finish()


def _name(run_dir: Path) -> str:
    """The same run goes on under the same name after a pause."""
    file = run_dir / "wandb-id"
    if not file.is_file():
        file.write_text(uuid.uuid4().hex[:12])
    return file.read_text()
