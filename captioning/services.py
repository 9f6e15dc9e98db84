"""Writing captions and tags, and the models that make them (loaded once per process, at first use)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from numpy.typing import NDArray

from captioning.active import active_caption_model_id, active_captioner, checkpoint_dir
from captioning.captioners.base import CaptionDraft, Captioner
from captioning.captioners.decoding import Decoding
from captioning.captioners.hub_options import HUB_CAPTIONER
from captioning.models import AutoTag, Caption
from captioning.selectors import caption_of
from captioning.tagging import tag_guesses
from core import backends
from core.errors import InvalidInput, ModelUnavailable, NotAllowed
from library.models import Frame

__all__ = [
    "active_caption_model_id",
    "backbone",
    "captioner",
    "captioner_named",
    "delete_captions",
    "edit_caption",
    "record_auto_tags",
    "record_captions",
    "record_match_scores",
]

CAPTION_MAX_CHARS = 1000


def backbone() -> Any:
    """The active vision backbone: `encode(pixels) -> Features` and `model_id`."""
    return backends.load(settings.BACKBONE, device=settings.DEVICE)


def captioner() -> Captioner:
    """The active captioner, loaded at first use and after each promotion; the former one leaves the memory.

    ModelUnavailable where it names itself otherwise than the settings or its promotion do: captions are looked
    for by that id, and would be written under another.
    """
    active = active_captioner()
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

    decoding: another than the configured one.
    """
    of_checkpoint = name is not None and Path(name).is_dir()
    path = settings.CAPTIONER if name is None or of_checkpoint else name
    folder = Path(name) if name is not None and of_checkpoint else checkpoint_dir()
    loaded = backends.load(path, **_captioner_arguments(path, folder, decoding))
    return cast(Captioner, loaded)


def _captioner_arguments(path: str, checkpoint: Path, decoding: Decoding | None = None) -> dict[str, Any]:
    return {
        "checkpoint": str(checkpoint),
        "cache_dir": str(settings.MODEL_CACHE_DIR),
        "device": settings.DEVICE,
        "decoding": decoding or settings.CAPTIONER_DECODING,
        **({"options": settings.CAPTIONER_HUB} if path == HUB_CAPTIONER else {}),
    }


def record_captions(pairs: Sequence[tuple[int, CaptionDraft]], model_id: str) -> None:
    """Keep one model's captions, by frame id; a second run replaces the first.

    People's words stay as they are, and so does what a person has decided of a sentence of this model.
    """
    written = Caption.objects.filter(
        source=Caption.Source.MODEL, model_id=model_id, state__in=Caption.DECIDED
    )
    frame_ids = [frame_id for frame_id, _ in pairs]
    decided = set(written.filter(frame_id__in=frame_ids).values_list("frame_id", flat=True))
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
    written = Caption.objects.filter(
        frame_id__in=list(frame_ids), source=Caption.Source.MODEL, model_id=model_id
    ).exclude(state=Caption.State.ACCEPTED)
    _, deleted = written.delete()
    return deleted.get(Caption._meta.label, 0)


def edit_caption(frame: Frame, text: str, user: AbstractBaseUser) -> Caption | None:
    """Put the owner's sentence over the model's, which stays in its own row; empty text takes it back.

    Returns what stands for the frame now. The caller tells the pipeline afterwards (`caption_changed`), so
    that the caption vector follows the words. NotAllowed for anyone but the owner.
    """
    if frame.asset.owner_id != user.pk:
        raise NotAllowed("Only the owner of a picture can change its caption.")
    words = " ".join(text.split())
    if len(words) > CAPTION_MAX_CHARS:
        raise InvalidInput(f"A caption has at most {CAPTION_MAX_CHARS} characters.", field="caption")
    if words:
        _upsert_captions(
            [Caption(frame=frame, source=Caption.Source.HUMAN, text=words, state=Caption.State.EDITED)],
            ["text", "state", "updated_at"],
        )
    else:
        Caption.objects.filter(frame=frame, source=Caption.Source.HUMAN).delete()
    return caption_of(frame)


def _upsert_captions(rows: Sequence[Caption], fields: Sequence[str]) -> None:
    Caption.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["frame", "source", "model_id"],
        update_fields=fields,
    )
