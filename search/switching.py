"""From one model of a space to the next: listed, evaluated, switched at one moment, and back by one call.

Vectors of the new model are made beside those of the old one (`workers.embedding`), under their own id, in an index of
their own. So a switch changes nothing but the newest row of `SpaceSwitch`, and no vector meets one of another model.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction

from core import backends
from core.errors import Conflict, InvalidInput, NeedsForce, NotFound
from core.progress import Progress
from search.active import ActiveEmbedder, active_embedders, spaces
from search.embedders.base import Embedder
from search.encoding import loaded
from search.indexing import build_for
from search.models import Embedding, Generation, SpaceModel, SpaceSwitch
from search.selectors import frames_without_embedding

#: The figure that a new model may not make worse.
_JUDGED_BY = "r10"
_BUILT_AT_MOST = 3


def register(space: str, embedder: str, checkpoint: str = "") -> SpaceModel:
    """Lists a model of a space by the class that embeds with it; loads it to learn its id, and switches nothing."""
    if space not in spaces():
        raise InvalidInput(f"There is no space {space!r}: there are {', '.join(spaces())}.")
    where = {"checkpoint": checkpoint} if checkpoint else {}
    found: Embedder = backends.load(embedder, **where)
    if found.space != space:
        raise InvalidInput(f"{embedder} embeds into the space {found.space} and not into {space}.")
    return _listed(space, ActiveEmbedder(found.model_id, embedder, checkpoint))


def model_named(space: str, model_id: str) -> SpaceModel:
    """NotFound where it is not registered."""
    model = SpaceModel.objects.filter(space=space, model_id=model_id).first()
    if model is None:
        raise NotFound(f"{space} has no model {model_id!r}: see `manage.py embedder list`.")
    return model


def all_models() -> list[tuple[SpaceModel, bool]]:
    """Every model, the newest first, and whether it is active; the active ones are registered by this."""
    current = {space: _listed(space, model).pk for space, model in active_embedders().items()}
    return [(model, current.get(model.space) == model.pk) for model in SpaceModel.objects.all()]


def embedder_of(model: SpaceModel) -> Embedder:
    """Loaded in this process, beside the active one."""
    return loaded(model.space, as_active(model))


def as_active(model: SpaceModel) -> ActiveEmbedder:
    """How it will be told when it is switched to."""
    return ActiveEmbedder(model.model_id, model.embedder, model.checkpoint)


def record_figures(model: SpaceModel, of_model: Mapping[str, Any], of_active: Mapping[str, Any]) -> None:
    """What both reached on the same queries."""
    model.figures = {"model": dict(of_model), "active": dict(of_active)}
    model.save(update_fields=["figures"])


def promote(
    space: str, model_id: str, *, force: bool = False, progress: Progress | None = None
) -> SpaceSwitch:
    """Builds the model's index, then makes it the one of its space: searches that begin afterwards ask it alone.

    Conflict where it is active, or frames still lack its vector. NeedsForce where it was not evaluated, or finds less.
    """
    model = model_named(space, model_id)
    current = active_embedders()[space]
    if current.model_id == model.model_id:
        raise Conflict(f"{model} is active already.")
    if lacking := frames_without_embedding(space, model_id).count():
        raise Conflict(
            f"{lacking:,} frames have no vector of {model} yet: run `manage.py embedder embed {space} {model_id}`."
        )
    if not force:
        _check_figures(model)
    _build(model, progress)
    with transaction.atomic():
        # Where there was no switch yet, the way back leads to what the settings say.
        if not SpaceSwitch.objects.filter(model__space=space).exists():
            SpaceSwitch.objects.create(model=_listed(space, current))
        return SpaceSwitch.objects.create(model=model)


def roll_back(space: str, progress: Progress | None = None) -> SpaceSwitch:
    """Makes the model active that was so before the last promotion: its vectors are still there, and its index, too,
    which is built anew first where some of these vectors have gone since, with sentences that were rejected.

    What was uploaded since lacks its vectors, and the workers describe it again. Conflict where there was no switch.
    """
    model = _model_before(space)
    if _lacks_what_is_sealed(model):
        _build(model, progress)
    with transaction.atomic():
        if _model_before(space, locked=True) != model:
            raise Conflict(f"Somebody switched {space} meanwhile.")
        return SpaceSwitch.objects.create(model=model, rollback=True)


def forget(space: str, model_id: str) -> int:
    """Deletes the vectors of a model that is not active, and returns how many they were."""
    if active_embedders()[space].model_id == model_id:
        raise Conflict(f"{model_id} is the active model of {space}.")
    deleted, _ = Embedding.objects.filter(space=space, model_id=model_id).delete()
    return deleted


def _model_before(space: str, *, locked: bool = False) -> SpaceModel:
    """Where a rollback leads to. locked: nobody else rolls back before the transaction ends."""
    rows = SpaceSwitch.objects.filter(model__space=space).select_related("model")
    if locked:
        rows = rows.select_for_update()
    standing: list[SpaceModel] = []
    for row in reversed(list(rows)):
        if row.rollback:
            standing.pop()  # a promotion that was rolled back is no place to go back to
        else:
            standing.append(row.model)
    if len(standing) < 2:
        raise Conflict(f"Nothing was switched in {space} that could be rolled back.")
    return standing[-2]


def _build(model: SpaceModel, progress: Progress | None) -> None:
    """The model's index: once more where vectors went while it was built, with sentences that were rejected."""
    embedder_of(model)  # fails here and not in the first search
    for _ in range(_BUILT_AT_MOST):
        sealed = build_for(model.space, model.model_id, progress).count
        if Embedding.objects.filter(space=model.space, model_id=model.model_id).count() >= sealed:
            break


def _lacks_what_is_sealed(model: SpaceModel) -> bool:
    """Whether the model's index may hold vectors that are gone: engines follow rows that change, and see none go."""
    of_model = {"space": model.space, "model_id": model.model_id}
    live = Generation.objects.filter(
        **of_model, engine=settings.VECTOR_ENGINE, state=Generation.State.LIVE
    ).first()
    if live is None:
        return False
    return Embedding.objects.filter(**of_model, number__lte=live.last_number).count() < live.count


def _listed(space: str, model: ActiveEmbedder) -> SpaceModel:
    row, _ = SpaceModel.objects.update_or_create(
        space=space,
        model_id=model.model_id,
        defaults={"embedder": model.embedder, "checkpoint": model.checkpoint},
    )
    return row


def _check_figures(model: SpaceModel) -> None:
    if not model.figures:
        raise NeedsForce(
            f"{model} was not evaluated: "
            f"run `manage.py embedder evaluate {model.space} {model.model_id} --dataset FOLDER`."
        )
    new, old = (model.figures[whose][model.space][_JUDGED_BY] for whose in ("model", "active"))
    if new < old:
        raise NeedsForce(
            f"{model} finds less than the active model: {_JUDGED_BY} {new:.3f} and not {old:.3f}."
        )
