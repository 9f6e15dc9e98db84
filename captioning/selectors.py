"""Reading captions and tags: which sentence stands for a frame, and which frames still want one."""

from collections.abc import Container, Iterable
from typing import Any, NamedTuple

from django.db.models import BigIntegerField, Case, Exists, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from captioning.active import active_caption_model_id_or_none
from captioning.models import AutoTag, Caption, Promotion
from core.ids import Prepared
from library.models import Frame

State = Caption.State
#: Sentences that a person stands behind, by having written, brought or accepted them.
_OF_PEOPLE = ~Q(source=Caption.Source.MODEL) | Q(state=State.ACCEPTED)
#: Above every id of a promotion.
_ACTIVE_RANK = 2**62


class Sentence(NamedTuple):
    """What is said of a frame: the caption's id, its words, and what was decided of them."""

    caption_id: int
    text: str
    state: str


def sentences_of(frame_ids: Iterable[int], without: Container[int] = ()) -> dict[int, Sentence]:
    """The sentence that stands for each frame, all in one go: a person's, one that a person accepted, an imported
    one, a model's.

    Of models the active one, then the one that was promoted last: what a former model wrote stands until the
    active one has written its own, so a switch of models never leaves a picture without words. Where the sentence
    that would stand was rejected, none does: a former model's was no better before. without: captions (ids) that are
    left out, as if they were not there.
    """
    active = active_caption_model_id_or_none()
    best: dict[int, tuple[Any, Sentence]] = {}
    for frame_id, source, model_id, promoted, pk, text, state in _WRITTEN.rows(frame_ids):
        if pk in without:
            continue
        rank = (_preference(source, state), model_id != active, -(promoted or 0), -pk)
        if frame_id not in best or rank < best[frame_id][0]:
            best[frame_id] = rank, Sentence(pk, text, state)
    return {
        frame_id: sentence for frame_id, (_, sentence) in best.items() if sentence.state != State.REJECTED
    }


def caption_of(frame: Frame) -> Caption | None:
    """The caption whose sentence stands for one frame, or None before the model has seen it."""
    return behind(sentences_of([frame.pk]).get(frame.pk))


def behind(sentence: Sentence | None) -> Caption | None:
    """The caption that a sentence was read from, with all that is known of it; None where it is gone by now."""
    return None if sentence is None else Caption.objects.filter(pk=sentence.caption_id).first()


def _written(frame_ids: Any) -> QuerySet[Caption, Any]:
    return (
        Caption.objects.filter(frame_id__in=frame_ids)
        .annotate(promoted=_last_promotion())
        .values_list("frame_id", "source", "model_id", "promoted", "pk", "text", "state")
    )


def _last_promotion() -> Subquery:
    """Of the model of a caption."""
    promoted = Promotion.objects.filter(version__model_id=OuterRef("model_id")).order_by("-pk").values("pk")
    return Subquery(promoted[:1])


_WRITTEN = Prepared(_written)


def said_of(frame_ids: Iterable[int], without: Container[int] = ()) -> dict[int, tuple[str, ...]]:
    """All that is said of each of these frames, in their order: the sentence that stands, then, of a model's, the
    others that it thought of; none where none stands. What the caption space is made of.
    """
    ids = list(frame_ids)
    standing = {frame_id: sentence.caption_id for frame_id, sentence in sentences_of(ids, without).items()}
    captions = Caption.objects.in_bulk(standing.values())
    written = {frame_id: captions[pk].sentences for frame_id, pk in standing.items() if pk in captions}
    return {frame_id: written.get(frame_id, ()) for frame_id in ids}


def spoken_of(frame_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """What a person wrote, accepted or imported of frames, as `said_of` tells it: no model may speak over that."""
    spoken: dict[int, tuple[str, ...]] = {}
    captions = Caption.objects.filter(_OF_PEOPLE, frame_id__in=list(frame_ids))
    for caption in sorted(captions, key=lambda each: (_preference(each.source, each.state), -each.pk)):
        spoken.setdefault(caption.frame_id, caption.sentences)
    return spoken


def settled_sentences(frame_ids: Iterable[int], model_id: str) -> dict[int, tuple[str, ...]]:
    """What is said of frames whatever this model writes now, as `said_of` tells it; none where its own was rejected.

    The other frames are left out: of them the model's next sentence will stand.
    """
    ids = list(frame_ids)
    decided = Caption.objects.filter(
        frame_id__in=ids, source=Caption.Source.MODEL, model_id=model_id, state__in=Caption.DECIDED
    )
    own = {
        caption.frame_id: () if caption.state == State.REJECTED else caption.sentences for caption in decided
    }
    return own | spoken_of(ids)


def frames_not_spoken_of() -> QuerySet[Frame]:
    """Frames of which no person wrote, accepted or imported a sentence."""
    return Frame.objects.filter(~spoken_over("pk"))


def assets_reviewed() -> QuerySet[Caption, int]:
    """Ids of assets of which a person decided: by accepting, correcting or rejecting a caption, or by writing one."""
    return Caption.objects.filter(reviewed=True).values_list("frame__asset_id", flat=True)


def spoken_over(frame: str) -> Exists:
    """Whether a person wrote, accepted or imported a sentence about the frame that this column of a query names."""
    return Exists(Caption.objects.filter(_OF_PEOPLE, frame=OuterRef(frame)))


def standing_of_models() -> QuerySet[Caption]:
    """Of each frame's model captions the one that stands before the others, in the order of `sentences_of`."""
    rank = Case(
        When(model_id=active_caption_model_id_or_none(), then=Value(_ACTIVE_RANK)),
        default=Coalesce(_last_promotion(), 0, output_field=BigIntegerField()),
        output_field=BigIntegerField(),
    )
    ranked = Caption.objects.filter(source=Caption.Source.MODEL).annotate(model_rank=rank)
    better = Q(model_rank__gt=OuterRef("model_rank")) | Q(
        model_rank=OuterRef("model_rank"), pk__gt=OuterRef("pk")
    )
    return ranked.filter(~Exists(ranked.filter(better, frame=OuterRef("frame"))))


def _preference(source: str, state: str) -> int:
    """Whose sentence is shown when several were written: the lowest."""
    if source == Caption.Source.HUMAN:
        return 0
    if state == State.ACCEPTED:
        return 1
    return 2 if source == Caption.Source.IMPORTED else 3


def auto_tags_of(frame_ids: Iterable[int]) -> dict[int, list[AutoTag]]:
    """What the classifier saw in each frame, the surest first, in one query."""
    tags: dict[int, list[AutoTag]] = {}
    for tag in AutoTag.objects.filter(frame_id__in=list(frame_ids)):
        tags.setdefault(tag.frame_id, []).append(tag)
    return tags


def frames_without_caption() -> QuerySet[Frame]:
    """Frames that no model has captioned yet, of whatever version: a promotion alone makes none of them wait."""
    written = Caption.objects.filter(frame=OuterRef("pk"), source=Caption.Source.MODEL)
    return Frame.objects.filter(~Exists(written))


def frames_captioned_by(model_id: str) -> QuerySet[Frame]:
    """Frames of which one model wrote a caption, whether or not it stands."""
    written = Caption.objects.filter(frame=OuterRef("pk"), source=Caption.Source.MODEL, model_id=model_id)
    return Frame.objects.filter(Exists(written))


def captions_to_wipe(frame_ids: Iterable[int], model_id: str) -> QuerySet[Caption]:
    """What one model wrote about these frames, but for what a person accepted."""
    written = Caption.objects.filter(
        frame_id__in=list(frame_ids), source=Caption.Source.MODEL, model_id=model_id
    )
    return written.exclude(state=State.ACCEPTED)


def frames_captioned_by_others_too(model_id: str) -> QuerySet[Frame]:
    """Frames of which this model and another one wrote captions: which one stands hangs on the active one."""
    others = Caption.objects.filter(frame=OuterRef("pk"), source=Caption.Source.MODEL).exclude(
        model_id=model_id
    )
    return frames_captioned_by(model_id).filter(Exists(others))
