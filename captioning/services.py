"""Writing captions and tags, and the models that make them (loaded once per process, at first use)."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from numpy.typing import NDArray

from captioning.active import active_caption_model_id, checkpoint_dir, present_captioner
from captioning.captioners.base import CaptionDraft, Captioner
from captioning.captioners.decoding import Decoding
from captioning.captioners.hub_options import HUB_CAPTIONER
from captioning.models import AutoTag, Caption
from captioning.screening import doubts, priority
from captioning.screens import screen_of
from captioning.selectors import caption_of, captions_to_wipe
from captioning.tagging import tag_guesses
from core import backends
from core.errors import InvalidInput, ModelUnavailable, NotAllowed
from library.details import checked_line
from library.models import Frame

__all__ = [
    "active_caption_model_id",
    "backbone",
    "captioner",
    "captioner_named",
    "checked_words",
    "delete_captions",
    "edit_caption",
    "record_auto_tags",
    "record_captions",
    "record_match_scores",
    "screen",
    "screen_undecided",
    "write_words",
]

CAPTION_MAX_CHARS = 1000
#: So many captions are screened in one transaction.
_SCREENED_AT_ONCE = 500


def backbone() -> Any:
    """The active vision backbone: `encode(pixels) -> Features` and `model_id`."""
    return backends.load(settings.BACKBONE, device=settings.DEVICE)


def captioner() -> Captioner:
    """The active captioner, loaded at first use and after each promotion; the former one leaves the memory.

    ModelUnavailable where it names itself otherwise than the settings or its promotion do: captions are looked
    for by that id, and would be written under another.
    """
    active = present_captioner()
    arguments = _captioner_arguments(settings.CAPTIONER, active.checkpoint)
    # Before the new one is there: a machine may have room for one only.
    backends.forget_others(settings.CAPTIONER, **arguments)
    loaded = cast(Captioner, backends.load(settings.CAPTIONER, **arguments))
    if loaded.model_id != active.model_id:
        raise ModelUnavailable(
            f"The loaded captioner is {loaded.model_id!r}, but {active.model_id!r} is configured."
        )
    return loaded


def captioner_named(name: str | None, decoding: Decoding | None = None) -> Captioner:
    """Any captioner: a checkpoint folder of our own kind, a dotted path, or the configured one for None.

    decoding: another than the configured one. InvalidInput for a name that is neither.
    """
    of_checkpoint = name is not None and Path(name).is_dir()
    path = settings.CAPTIONER if name is None or of_checkpoint else name
    folder = Path(name) if name is not None and of_checkpoint else checkpoint_dir()
    try:
        loaded = backends.load(path, **_captioner_arguments(path, folder, decoding))
    except ImproperlyConfigured as error:
        if name is None:
            raise
        raise InvalidInput(f"There is no captioner {name!r}, a folder or a dotted path: {error}") from error
    return cast(Captioner, loaded)


def _captioner_arguments(path: str, checkpoint: Path, decoding: Decoding | None = None) -> dict[str, Any]:
    return {
        "checkpoint": str(checkpoint),
        "cache_dir": str(settings.MODEL_CACHE_DIR),
        "device": settings.DEVICE,
        "decoding": decoding or settings.CAPTIONER_DECODING,
        "judge": settings.CAPTIONER_JUDGE,
        **({"options": settings.CAPTIONER_HUB} if path == HUB_CAPTIONER else {}),
    }


def record_captions(pairs: Sequence[tuple[int, CaptionDraft]], model_id: str) -> None:
    """Keep one model's captions, by frame id; a second run replaces the first.

    People's words stay as they are, and so does what a person has decided of a sentence of this model.
    """
    with transaction.atomic():
        written = _locked_captions([frame_id for frame_id, _ in pairs], model_id)
        decided = {caption.frame_id for caption in written if caption.state in Caption.DECIDED}
        rows = [
            Caption(
                frame_id=frame_id,
                source=Caption.Source.MODEL,
                model_id=model_id,
                style=draft.style,
                text=draft.text,
                alternatives=list(draft.alternatives),
                confidence=draft.confidence,
            )
            for frame_id, draft in pairs
            if frame_id not in decided
        ]
        _upsert_captions(
            rows,
            [
                *("style", "text", "alternatives", "confidence", "match_score"),
                *("state", "doubts", "review_priority", "updated_at"),
            ],
        )


def record_match_scores(scores: Mapping[int, float], model_id: str) -> None:
    """Keep how well the captions of one model match their pictures: cosine in the image space, by frame id."""
    captions = list(
        Caption.objects.filter(frame_id__in=list(scores), source=Caption.Source.MODEL, model_id=model_id)
    )
    for caption in captions:
        caption.match_score = scores[caption.frame_id]
    Caption.objects.bulk_update(captions, ["match_score"])


def screen(frame_ids: Sequence[int], model_id: str) -> list[Caption]:
    """Decide which of one model's captions of these frames a person must see, and which of them first.

    Of captions that a person decided of nothing changes. Returns the others, as they are now.
    """
    thresholds, wrong = screen_of(model_id)
    with transaction.atomic():
        captions = [
            caption
            for caption in _locked_captions(frame_ids, model_id)
            if caption.state not in Caption.DECIDED
        ]
        for caption in captions:
            told = caption.confidence, caption.match_score
            found = doubts(caption.text, *told, thresholds)
            caption.doubts = list(found)
            caption.state = Caption.State.TO_REVIEW if found else Caption.State.AUTO_ACCEPTED
            caption.review_priority = priority(found, *told, wrong)
        Caption.objects.bulk_update(captions, ["state", "doubts", "review_priority"])
    return captions


def screen_undecided() -> Iterator[list[Caption]]:
    """Screen anew whatever models wrote and nobody decided of, chunk by chunk, the newest frames first."""
    undecided = Caption.objects.filter(source=Caption.Source.MODEL).exclude(state__in=Caption.DECIDED)
    for model_id in undecided.order_by("model_id").values_list("model_id", flat=True).distinct():
        of_model = undecided.filter(model_id=model_id).order_by("-frame_id")
        frame_ids = list(of_model.values_list("frame_id", flat=True))
        for start in range(0, len(frame_ids), _SCREENED_AT_ONCE):
            yield screen(frame_ids[start : start + _SCREENED_AT_ONCE], model_id)


def record_auto_tags(frame_ids: Sequence[int], logits: NDArray[np.float32]) -> None:
    """Keep the classes that the backbone saw in each frame, logits (N, 1000); a second run replaces the first."""
    model_id = str(backbone().model_id)
    rows = [
        AutoTag(
            frame_id=frame_id,
            model_id=model_id,
            name=guess.names[0][:80],
            synonyms=", ".join(guess.names[1:])[:255],
            confidence=guess.confidence,
        )
        for frame_id, guesses in zip(frame_ids, tag_guesses(logits), strict=True)
        for guess in guesses
    ]
    with transaction.atomic():
        AutoTag.objects.filter(frame_id__in=frame_ids, model_id=model_id).delete()
        AutoTag.objects.bulk_create(rows)


def delete_captions(frame_ids: Sequence[int], model_id: str) -> int:
    """Forget what one model wrote about these frames, but for what a person accepted; returns how many captions."""
    _, deleted = captions_to_wipe(frame_ids, model_id).delete()
    return deleted.get(Caption._meta.label, 0)


@transaction.atomic
def edit_caption(frame: Frame, text: str, user: AbstractBaseUser) -> Caption | None:
    """Put the owner's sentence over the model's, which stays in its own row; empty text takes it back.

    Returns what stands for the frame now. The caller tells the pipeline afterwards (`caption_changed`), so
    that the caption vector follows the words. NotAllowed for anyone but the owner.
    """
    if frame.asset.owner_id != user.pk:
        raise NotAllowed("Only the owner of a picture can change its caption.")
    words = checked_words(text)
    # Whoever describes or reviews this frame is done before, or sees these words.
    Frame.objects.select_for_update(no_key=True).filter(pk=frame.pk).first()
    if words:
        standing = caption_of(frame)
        if standing is not None and standing.source == Caption.Source.MODEL:
            Caption.objects.filter(pk=standing.pk).exclude(state__in=Caption.DECIDED).update(
                state=Caption.State.EDITED
            )
        write_words(frame.pk, words)
    else:
        Caption.objects.filter(frame=frame, source=Caption.Source.HUMAN).delete()
        _undecide(frame)
    return caption_of(frame)


def checked_words(text: str) -> str:
    """A caption on one line; InvalidInput where it is too long, or holds what no line does."""
    return checked_line("caption", " ".join(text.split()), CAPTION_MAX_CHARS)


def write_words(frame_id: int, words: str) -> None:
    """Keep a person's sentence about a frame, in the place of what a person said before."""
    _upsert_captions(
        [Caption(frame_id=frame_id, source=Caption.Source.HUMAN, text=words, state=Caption.State.EDITED)],
        ["text", "state", "updated_at"],
    )


def _undecide(frame: Frame) -> None:
    """Nobody has corrected the models any more: it is the screen again that judges their sentences."""
    corrected = Caption.objects.filter(frame=frame, source=Caption.Source.MODEL, state=Caption.State.EDITED)
    model_ids = list(corrected.values_list("model_id", flat=True))
    corrected.update(state=Caption.State.DRAFT)
    for model_id in model_ids:
        screen([frame.pk], model_id)


def _locked_captions(frame_ids: Sequence[int], model_id: str) -> list[Caption]:
    """One model's captions of these frames, of which nobody decides anything before the transaction ends."""
    captions = Caption.objects.filter(frame_id__in=frame_ids, source=Caption.Source.MODEL, model_id=model_id)
    return list(captions.select_for_update().order_by("pk"))


def _upsert_captions(rows: Sequence[Caption], fields: Sequence[str]) -> None:
    Caption.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["frame", "source", "model_id"],
        update_fields=fields,
    )
