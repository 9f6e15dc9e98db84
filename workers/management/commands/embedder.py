"""Models of a vector space: what there is, embedding by a new one beside the old, judging it, switching, going back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.arguments import count
from core.errors import NeedsForce, SightlineError
from core.progress import progress_bar
from library.models import Frame
from search import switching
from search.active import spaces
from search.models import SpaceModel, SpaceSwitch
from workers import rewording
from workers.embedding import check_items, embed_beside


class Command(BaseCommand):
    help = "Models of a vector space: from listing a new one to switching to it, and back."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for name, (do, arguments) in _ACTIONS.items():
            action = actions.add_parser(name, help=do.__doc__)
            for argument in arguments:
                _ARGUMENTS[argument](action)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _ACTIONS[options["action"]][0](self, options)
        except NeedsForce as error:
            raise CommandError(f"{error} Promote it all the same with --force.") from error
        except SightlineError as error:
            raise CommandError(str(error)) from error


def _list(command: Command, options: dict[str, Any]) -> None:
    """models, newest first, and when they were switched to"""
    for model, active in switching.all_models():
        judged = model.figures.get("model", {}).get(model.space)
        figures = (
            ", ".join(f"{name} {value}" for name, value in judged.items()) if judged else "not evaluated"
        )
        command.stdout.write(f"{'*' if active else ' '} {model}: {figures}")
        for switch in SpaceSwitch.objects.filter(model=model):
            command.stdout.write(f"      {switch} on {switch.switched_at:%Y-%m-%d %H:%M}")


def _add(command: Command, options: dict[str, Any]) -> None:
    """list a model by the class that embeds with it"""
    # Other processes stand in other folders.
    checkpoint = str(Path(options["checkpoint"]).resolve()) if options["checkpoint"] else ""
    model = switching.register(options["space"], options["embedder"], checkpoint)
    command.stdout.write(
        f"{model} is listed: next, `manage.py embedder embed {model.space} {model.model_id}`."
    )


def _embed(command: Command, options: dict[str, Any]) -> None:
    """embed what has no vector of the model yet; can be stopped and begun again"""
    model = _model(options)
    with progress_bar("frames", verbosity=options["verbosity"]) as progress:
        failed = embed_beside(model, progress)
    for frame_id, why in failed.items():
        command.stdout.write(f"frame {frame_id}: {why}")
    if failed:
        raise CommandError(f"{len(failed)} frames could not be embedded.")
    command.stdout.write(f"Every frame has a vector of {model}.")


def _evaluate(command: Command, options: dict[str, Any]) -> None:
    """ask every human caption of a split of both the active model and this one"""
    from captioning.training.dataset import read_dataset
    from search.evaluation.ingest import ingest
    from search.evaluation.modes import evaluate_modes
    from search.evaluation.sandbox import sandbox

    model = _model(options)
    switching.embedder_of(model)  # fails here and not when the active model was asked everything
    images = read_dataset(options["dataset"]).split(options["split"])[: options["limit"]]
    with sandbox():
        of_active = evaluate_modes(ingest(images))
    with sandbox():
        listed = SpaceModel.objects.create(
            space=model.space, model_id=model.model_id, embedder=model.embedder, checkpoint=model.checkpoint
        )
        SpaceSwitch.objects.create(model=listed)
        of_model = evaluate_modes(ingest(images))
    switching.record_figures(model, of_model, of_active)
    for whose, figures in (("active", of_active), (model.model_id, of_model)):
        for mode in (model.space, "hybrid"):
            values = "".join(f"  {name} {value:.4f}" for name, value in figures[mode].items())
            command.stdout.write(f"{whose:30} {mode:8}{values}")


def _promote(command: Command, options: dict[str, Any]) -> None:
    """build the model's index and switch all searches to it at one moment"""
    check_items(_model(options))
    with progress_bar("vectors", verbosity=options["verbosity"]) as progress:
        switch = switching.promote(
            options["space"], options["model_id"], force=options["force"], progress=progress
        )
    command.stdout.write(
        f"Searches ask {switch.model} from now on; the way back is `manage.py embedder rollback`."
    )


def _rollback(command: Command, options: dict[str, Any]) -> None:
    """switch back to the model that was active before"""
    with progress_bar("vectors", verbosity=options["verbosity"]) as progress:
        switch = switching.roll_back(options["space"], progress)
    command.stdout.write(f"Searches ask {switch.model} again.")


def _follow(command: Command, options: dict[str, Any]) -> None:
    """embed anew the frames of which something else is said than their vector of the caption space says"""
    with progress_bar("frames", verbosity=options["verbosity"]) as progress:
        changed = rewording.follow(Frame.objects.all(), progress)
    command.stdout.write(f"{changed:,} frames have another vector of what is said of them.")


def _forget(command: Command, options: dict[str, Any]) -> None:
    """delete the vectors of a model that is not active"""
    deleted = switching.forget(options["space"], options["model_id"])
    command.stdout.write(f"{deleted:,} vectors are deleted.")


def _model(options: dict[str, Any]) -> SpaceModel:
    return switching.model_named(options["space"], options["model_id"])


_ARGUMENTS: dict[str, Callable[[CommandParser], Any]] = {
    "space": lambda parser: parser.add_argument("space", choices=spaces()),
    "model_id": lambda parser: parser.add_argument("model_id"),
    "embedder": lambda parser: parser.add_argument("embedder", help="dotted path of the class"),
    "checkpoint": lambda parser: parser.add_argument(
        "--checkpoint", default="", help="folder of its weights"
    ),
    "dataset": lambda parser: parser.add_argument(
        "--dataset", type=Path, required=True, help="folder with images/ and captions.csv"
    ),
    "split": lambda parser: parser.add_argument("--split", default="dev", help="to measure on; default: dev"),
    "limit": lambda parser: parser.add_argument("--limit", type=count, help="only the first N images"),
    "force": lambda parser: parser.add_argument(
        "--force", action="store_true", help="in spite of worse figures, or of none"
    ),
}
_ACTIONS: dict[str, tuple[Callable[[Command, dict[str, Any]], None], tuple[str, ...]]] = {
    "list": (_list, ()),
    "add": (_add, ("space", "embedder", "checkpoint")),
    "embed": (_embed, ("space", "model_id")),
    "evaluate": (_evaluate, ("space", "model_id", "dataset", "split", "limit")),
    "promote": (_promote, ("space", "model_id", "force")),
    "rollback": (_rollback, ("space",)),
    "follow": (_follow, ()),
    "forget": (_forget, ("space", "model_id")),
}
