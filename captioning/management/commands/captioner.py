"""Versions of the captioner: what there is, which one writes, captioning photos again, wiping what one wrote."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.management.base import BaseCommand, CommandError, CommandParser

from captioning import active, recaptioning, versions
from captioning.models import Caption
from captioning.recaptioning import Selection
from core.errors import InvalidInput, NeedsForce, NotFound, SightlineError
from workers import pipeline

Adder = Callable[[CommandParser], None]


class Command(BaseCommand):
    help = "Lists, registers, promotes and rolls back captioners; captions photos again; wipes a model's captions."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for name, (add_arguments, _) in _ACTIONS.items():
            add_arguments(actions.add_parser(name, help=_ACTIONS[name][1].__doc__))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _ACTIONS[options["action"]][1](self, options)
        except NeedsForce as error:
            raise CommandError(f"{error} Promote it all the same with --force.") from error
        except SightlineError as error:
            raise CommandError(str(error)) from error

    def confirmed(self, question: str, options: dict[str, Any]) -> bool:
        """Whether the person says yes, by --yes or at the prompt; no answer is a no."""
        if options["yes"]:
            return True
        try:
            return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
        except EOFError:
            return False


def _list(command: Command, options: dict[str, Any]) -> None:
    """versions, newest first, and promotions"""
    known = versions.all_versions()
    current, pinning = active.active_caption_model_id_or_none(), active.pinned_by()
    for version in known:
        mark = "*" if version.model_id == current else " "
        figures = ", ".join(f"{name} {value}" for name, value in _figures(version.metrics)) or "not measured"
        command.stdout.write(
            f"{mark} {version.model_id}: {figures}{f'; {version.note}' * bool(version.note)}"
        )
        for promotion in version.promotions.select_related("promoted_by"):
            forced = ", forced" if promotion.forced else ""
            who = f" by {promotion.promoted_by}" if promotion.promoted_by else ""
            when = f"{promotion.promoted_at:%Y-%m-%d %H:%M}"
            command.stdout.write(f"      {promotion.get_kind_display()} {when}{who}{forced}")
        if offered := versions.offer(version):
            command.stdout.write(f"      offered for promotion: {offered}")
    if pinning is not None:
        command.stdout.write(
            f"The setting {pinning} names the active one; promotions count when it is unset."
        )


def _register(command: Command, options: dict[str, Any]) -> None:
    """check a checkpoint folder, keep a copy, and list it"""
    metrics = _object_in(options["metrics"]) if options["metrics"] else None
    data = _described(options["dataset"]) if options["dataset"] else None
    version = versions.register(options["folder"], metrics=metrics, data=data, note=options["note"])
    command.stdout.write(f"{version} is registered; its copy lies in {version.folder}.")


def _promote(command: Command, options: dict[str, Any]) -> None:
    """caption what is uploaded from now on by this version"""
    promotion = pipeline.promote_captioner(options["model_id"], _user(options), force=options["force"])
    command.stdout.write(
        f"{promotion.version} captions new photos from now on. Those that have a caption keep it until "
        "`manage.py captioner recaption` is run."
    )


def _rollback(command: Command, options: dict[str, Any]) -> None:
    """make the version active that was so before"""
    promotion = pipeline.roll_back_captioner(_user(options))
    command.stdout.write(f"{promotion.version} is active again; where it has written, its words stand again.")


def _recaption(command: Command, options: dict[str, Any]) -> None:
    """caption photos again by the active version; shows the cost first"""
    selection = Selection(
        options["owner"] or "", options["model"] or "", tuple(options["assets"] or ()), options["again"]
    )
    if not (options["all"] or selection.owner or selection.model_id or selection.asset_ids):
        raise InvalidInput("Say which: --all, --owner NAME, --model MODEL_ID or --assets ID ...")
    version = versions.active_version()
    cost = recaptioning.estimate(selection, version)
    command.stdout.write(f"{version} would caption {selection}: {cost}.")
    if not cost.frames or not command.confirmed("Start?", options):
        command.stdout.write("Nothing was started.")
        return
    run = pipeline.start_recaption(selection)
    command.stdout.write(f"Run {run.pk} is under way: `manage.py captioner runs` tells how far it is.")


def _learn(command: Command, options: dict[str, Any]) -> None:
    """have a worker fine-tune the active version on what people reviewed; promotes nothing"""
    job = pipeline.start_learning(_user(options))
    command.stdout.write(
        f"Job {job.pk} is {job.state}; what comes out is offered in `manage.py captioner list`."
    )


def _runs(command: Command, options: dict[str, Any]) -> None:
    """how far runs of recaption are"""
    for run in pipeline.recaption_runs()[:20]:
        job = run.job
        line = f"run {run.pk}: {job.state}, {job.done} of {job.total} by {run.version}, {run.failed} failed"
        command.stdout.write(f"{line}; {Selection.from_json(run.selection)} {job.error}".rstrip())


def _pause(command: Command, options: dict[str, Any]) -> None:
    """stop a run after the batch at work"""
    _change(command, options, pipeline.pause_recaption)


def _resume(command: Command, options: dict[str, Any]) -> None:
    """go on with a paused run"""
    _change(command, options, pipeline.resume_recaption)


def _cancel(command: Command, options: dict[str, Any]) -> None:
    """end a run for good"""
    _change(command, options, pipeline.cancel_recaption)


def _change(
    command: Command, options: dict[str, Any], change: Callable[[pipeline.RecaptionRun], None]
) -> None:
    runs = pipeline.recaption_runs()
    run = runs.filter(pk=options["run"]).first() if options["run"] else runs.first()
    if run is None:
        raise NotFound("There is no such run.")
    change(run)
    run.job.refresh_from_db()
    command.stdout.write(f"Run {run.pk} is {run.job.state}.")


def _wipe(command: Command, options: dict[str, Any]) -> None:
    """delete what one model wrote"""
    model_id = options["model_id"]
    if model_id == active.active_caption_model_id_or_none():
        raise InvalidInput(f"{model_id} is the active captioner: promote another one first.")
    count = Caption.objects.filter(source=Caption.Source.MODEL, model_id=model_id).count()
    if not count:
        raise NotFound(f"No caption was written by {model_id!r}.")
    command.stdout.write(f"{model_id} wrote {count} captions; photos left without one are captioned anew.")
    if not command.confirmed("Delete them?", options):
        command.stdout.write("Nothing was deleted.")
        return
    wiped = pipeline.wipe_captions(model_id)
    pipeline.wake()
    command.stdout.write(f"{wiped} captions are deleted.")


def _export(command: Command, options: dict[str, Any]) -> None:
    """write a version out as a standard transformers checkpoint"""
    from captioning.captioners.export import LANGUAGE_MODEL, export

    named = options["model_id"]
    version = versions.version_named(named) if named else versions.active_version()
    folder = Path(version.folder or active.SHIPPED_CHECKPOINT)
    try:
        manifest = export(folder, options["output"], settings.MODEL_CACHE_DIR)
    except OSError as error:
        raise CommandError(f"The captioner can't be written: {error}") from error
    command.stdout.write(
        f"{options['output'] / LANGUAGE_MODEL} is a language model for transformers, {options['output']} the captioner "
        f"{manifest.model_id} that reads pictures with it."
    )


def _figures(metrics: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, metrics[name]) for name in ("cider", "bleu4", "meteor", "images_per_s") if name in metrics]


def _user(options: dict[str, Any]) -> AbstractBaseUser | None:
    if not options["by"]:
        return None
    user = get_user_model().objects.filter(username=options["by"]).first()
    if user is None:
        raise NotFound(f"There is no user {options['by']!r}.")
    return user


def _object_in(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{file} can't be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise InvalidInput(f"{file} must hold the one object that `evaluate_captioner --json` prints.")
    return content


def _described(folder: Path) -> dict[str, Any]:
    """Name, sizes of the splits and hash of the captions of a dataset folder."""
    from captioning.training.dataset import read_dataset
    from core.packages import file_sha256

    splits = {name: len(images) for name, images in read_dataset(folder).splits.items()}
    return {
        "name": folder.resolve().name,
        "splits": splits,
        "captions_sha256": file_sha256(folder / "captions.csv"),
    }


def _no_arguments(parser: CommandParser) -> None:
    """Nothing to say."""


def _register_arguments(parser: CommandParser) -> None:
    parser.add_argument("folder", type=Path, help="a folder written by finetune_captioner")
    parser.add_argument("--metrics", type=Path, help="JSON printed by evaluate_captioner --split dev --json")
    parser.add_argument("--dataset", type=Path, help="the dataset folder it was trained on, to be described")
    parser.add_argument("--note", default="", help="a line for people")


def _user_arguments(parser: CommandParser) -> None:
    parser.add_argument("--by", metavar="USERNAME", help="who decided so, for the record")


def _promote_arguments(parser: CommandParser) -> None:
    _user_arguments(parser)
    parser.add_argument("model_id")
    parser.add_argument("--force", action="store_true", help="in spite of a worse CIDEr on dev, or of none")


def _recaption_arguments(parser: CommandParser) -> None:
    parser.add_argument("--all", action="store_true", help="every photo")
    parser.add_argument("--owner", help="photos of this user")
    parser.add_argument("--model", help="photos of which this model wrote a caption")
    parser.add_argument("--assets", type=int, nargs="+", metavar="ID", help="these photos")
    parser.add_argument("--again", action="store_true", help="also what the active version captioned already")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _run_arguments(parser: CommandParser) -> None:
    parser.add_argument("run", type=int, nargs="?", help="default: the newest")


def _wipe_arguments(parser: CommandParser) -> None:
    parser.add_argument("model_id")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _export_arguments(parser: CommandParser) -> None:
    parser.add_argument("output", type=Path, help="folder to be written")
    parser.add_argument("--model", dest="model_id", help="default: the active one")


#: Each action of the command: what it takes, and what it does. The docstring is its help.
_ACTIONS: dict[str, tuple[Adder, Callable[[Command, dict[str, Any]], None]]] = {
    "list": (_no_arguments, _list),
    "register": (_register_arguments, _register),
    "promote": (_promote_arguments, _promote),
    "rollback": (_user_arguments, _rollback),
    "recaption": (_recaption_arguments, _recaption),
    "runs": (_no_arguments, _runs),
    "learn": (_user_arguments, _learn),
    "pause": (_run_arguments, _pause),
    "resume": (_run_arguments, _resume),
    "cancel": (_run_arguments, _cancel),
    "export": (_export_arguments, _export),
    "wipe": (_wipe_arguments, _wipe),
}
