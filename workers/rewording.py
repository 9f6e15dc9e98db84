"""Bringing search after sentences that changed without a picture being looked at: vectors and words of what stands.

A promotion back to a version that has captioned frames before, wiping what a model wrote, and a reviewer's decision
change which sentence stands. Only the caption space reads sentences, so no backbone and no captioner is needed.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from django.db import transaction
from django.db.models import QuerySet
from numpy.typing import NDArray

import captioning.services
import recommender.webhooks
import search.embeddings
import search.indexing
import search.services
from captioning.active import active_caption_model_id, active_caption_model_id_or_none
from captioning.models import ReviewDecision
from captioning.selectors import (
    captions_to_wipe,
    frames_captioned_by,
    frames_captioned_by_others_too,
    said_of,
)
from captioning.vision.frames import Features, FrameBatch
from captioning.vision.pixels import INPUT_SIZE_PX
from core.errors import Conflict
from core.progress import Progress
from library.models import Frame
from search.embedders.base import Embedder
from search.models import Embedding

CAPTION_SPACE = "caption"
_CHUNK = 200


def follow_standing(progress: Progress) -> int:
    """Embed anew where the active version's return changed which sentence stands; returns how many frames.

    Goes over all frames of which it and another version wrote.
    """
    return follow(frames_captioned_by_others_too(active_caption_model_id()), progress)


def follow(frames: QuerySet[Frame], progress: Progress) -> int:
    """Embed anew those of which something else is said than their vector says; returns how many. Safe to repeat."""
    frame_ids = list(frames.order_by("-pk").values_list("pk", flat=True))
    count = 0
    for done, chunk in _chunks(frame_ids):
        if changed := _follow(chunk):
            search.services.index_frames(changed)
            count += len(changed)
        progress(done, len(frame_ids))
    return count


def wipe_captions(model_id: str) -> int:
    """Delete what one model wrote, and have search forget it chunk by chunk; returns how many captions.

    A frame that is left without a caption waits for the active version; until then its vector is that of nothing
    said. Conflict for the active version, whose captions would only be written again.
    """
    if model_id == active_caption_model_id_or_none():
        raise Conflict(f"{model_id} is the active captioner: promote another one first.")
    frame_ids = list(frames_captioned_by(model_id).order_by("-pk").values_list("pk", flat=True))
    wiped = 0
    for _, chunk in _chunks(frame_ids):
        wiped += _wipe(chunk, model_id)
        search.services.index_frames(chunk)
    return wiped


def followed_at_once(decide: Callable[[], ReviewDecision]) -> ReviewDecision:
    """Make a reviewer's decision, and have search follow it in the same transaction.

    So a rejected sentence is found by nobody from the commit on: the vector of what stands now, or of
    nothing, is numbered and the keyword document written with the decision, and neither waits for a worker.
    """
    search.services.embedder(CAPTION_SPACE)  # loaded before anything is locked
    with transaction.atomic():
        decision = decide()
        if decision.before != decision.after:
            _follow([decision.frame_id])
            recommender.webhooks.note_captions_of_frames([decision.frame_id])
        search.services.index_within([decision.frame_id])
    return decision


def _follow(frame_ids: Sequence[int]) -> list[int]:
    """Those of them whose vectors changed."""
    said = said_of(frame_ids)
    embedder = search.services.embedder(CAPTION_SPACE)
    wanted = dict(zip(said, _embedded(embedder, list(said.values())), strict=True))
    with transaction.atomic():
        lock(frame_ids)
        # Who wrote meanwhile has seen to the vector, too.
        said_now = said_of(frame_ids)
        kept = Embedding.objects.filter(
            space=CAPTION_SPACE, model_id=embedder.model_id, frame_id__in=list(wanted)
        )
        changed = [
            frame_id
            for frame_id, vector in kept.values_list("frame_id", "vector")
            if said_now[frame_id] == said[frame_id]
            and not search.embeddings.says_the_same(vector, wanted[frame_id].tobytes())
        ]
        if changed:
            vectors = np.stack([wanted[frame_id] for frame_id in changed])
            search.embeddings.record(CAPTION_SPACE, embedder.model_id, changed, vectors)
            _have_words_read_again(changed)
    return changed


def _wipe(frame_ids: Sequence[int], model_id: str) -> int:
    """In one transaction: the words go, and what is left, or nothing, has its vector."""
    embedder = search.services.embedder(CAPTION_SPACE)
    going = set(captions_to_wipe(frame_ids, model_id).values_list("pk", flat=True))
    before = said_of(frame_ids)
    left = {
        frame_id: said
        for frame_id, said in said_of(frame_ids, without=going).items()
        if said != before[frame_id]
    }
    vectors = dict(zip(left, _embedded(embedder, list(left.values())), strict=True)) if left else {}
    with transaction.atomic():
        lock(frame_ids)
        before = said_of(frame_ids)
        wiped = captioning.services.delete_captions(frame_ids, model_id)
        now = said_of(frame_ids)
        changed = [frame_id for frame_id in before if now[frame_id] != before[frame_id]]
        # Of these somebody wrote or decided between the two looks: few enough to be embedded under the lock.
        otherwise = [frame_id for frame_id in changed if now[frame_id] != left.get(frame_id)]
        if otherwise:
            anew = _embedded(embedder, [now[frame_id] for frame_id in otherwise])
            vectors |= dict(zip(otherwise, anew, strict=True))
        if changed:
            stacked = np.stack([vectors[frame_id] for frame_id in changed])
            search.embeddings.record(CAPTION_SPACE, embedder.model_id, changed, stacked)
    return wiped


def _embedded(embedder: Embedder, said: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
    """Vectors of what is said (N, dimension), as the describe stage makes them, with blank pictures."""
    blank = np.broadcast_to(np.zeros((), dtype=np.uint8), (len(said), INPUT_SIZE_PX, INPUT_SIZE_PX, 3))
    features = Features(
        np.zeros((len(said), 0, 0), dtype=np.float16), np.zeros((len(said), 0), dtype=np.float32)
    )
    return embedder.embed_frames(FrameBatch(blank, features), said)


def _have_words_read_again(frame_ids: Sequence[int]) -> None:
    assets = Frame.objects.filter(pk__in=frame_ids).values_list("asset_id", flat=True)
    search.indexing.mark_stale(set(assets))


def lock(frame_ids: Sequence[int]) -> None:
    """Nobody describes or deletes these frames before the transaction ends."""
    list(
        Frame.objects.select_for_update(no_key=True).filter(pk__in=frame_ids).order_by("pk").values_list("pk")
    )


def _chunks(frame_ids: Sequence[int]) -> Iterable[tuple[int, Sequence[int]]]:
    """Each chunk with how many are done after it."""
    for start in range(0, len(frame_ids), _CHUNK):
        chunk = frame_ids[start : start + _CHUNK]
        yield start + len(chunk), chunk
