"""One batch of frames: decoded ahead in threads, seen once by the backbone, described by every model."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

import captioning.services
import library.selectors
import search.embeddings
import search.indexing
import search.services
from captioning.active import active_caption_model_id, decoding_px, picture_px
from captioning.captioners.base import CaptionDraft, caption_in_styles
from captioning.captioners.styles import NORMAL
from captioning.colours import record_colours
from captioning.preferences import styles_of_frames
from captioning.selectors import said_of, settled_sentences
from captioning.unsafe import Scored, record_unsafe, score_unsafe
from captioning.vision.colours import dominant_colours
from captioning.vision.context import context_of
from captioning.vision.frames import FrameBatch
from captioning.vision.pixels import fitted_pixels, square_pixels
from captioning.vision.texture import textures
from library.models import Frame
from search.active import TEXTURES, spaces
from workers import claims, pipeline
from workers.claims import Claim

DECODING_THREADS = 2
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Description:
    """What the models made of N frames. said: of each what stands, as `said_of` tells it, a person's over the model's.

    model_id: of the captioner that wrote the drafts, which another may have succeeded since; embedders: the ids of the
    models of the vectors, by space, likewise.
    """

    model_id: str
    drafts: Sequence[CaptionDraft]
    said: Sequence[tuple[str, ...]]
    embedders: Mapping[str, str]
    vectors: Mapping[str, NDArray[np.float32]]
    match_scores: NDArray[np.float32]
    logits: NDArray[np.float32]
    textures: NDArray[np.float32]
    backbone_id: str
    colours: Sequence[Mapping[str, float]]
    unsafe: Scored | None = None


@dataclass(frozen=True)
class Decoded:
    """One frame: the square that the backbone reads and, where the active captioner reads more, the whole picture."""

    square: Pixels
    picture: Pixels | None


def decode_ahead(claim: Claim) -> dict[int, Future[Decoded]]:
    """Start decoding the frames of a claim in threads, by frame id; frames deleted meanwhile are left out."""
    frames = Frame.objects.select_related("asset").filter(pk__in=claim.subject_ids)
    return {frame.pk: _decoders(os.getpid()).submit(decoded, frame) for frame in frames}


def describe(claim: Claim, decoding: Mapping[int, Future[Decoded]]) -> None:
    """Do one claim: write captions, vectors, tags and match scores of what can be decoded, and settle all of it."""
    pictures_of, errors = _decoded(decoding)
    if pictures_of:
        frame_ids = list(pictures_of)
        settled = settled_sentences(frame_ids, active_caption_model_id())
        squares = np.stack([each.square for each in pictures_of.values()])
        pictures = [each.picture for each in pictures_of.values() if each.picture is not None]
        shown: dict[str, Any] = {"pictures": pictures} if pictures else {}
        if known := contexts_of(frame_ids):
            shown["contexts"] = [known.get(each, "") for each in frame_ids]
        wanted = styles_of_frames(frame_ids)
        shown["styles"] = [wanted.get(each, NORMAL) for each in frame_ids]
        record(frame_ids, look_at(squares, [settled.get(each) for each in frame_ids], **shown))
    claims.fail(claim.stage, errors)
    claims.finish(
        claim.stage, set(claim.subject_ids) - set(errors)
    )  # what is left was deleted under our hands


def contexts_of(frame_ids: Sequence[int]) -> dict[int, str]:
    """What is known of frames, by id, as a captioner reads it that was trained to; nothing where the active was not."""
    if not getattr(captioning.services.captioner(), "reads_context", False):
        return {}
    frames = Frame.objects.filter(pk__in=frame_ids).select_related("asset").prefetch_related("asset__tags")
    return {
        frame.pk: context_of(frame.asset.title, library.selectors.tag_names(frame.asset)) for frame in frames
    }


def look_at(
    pixels: Pixels,
    settled: Sequence[tuple[str, ...] | None],
    *,
    styles: Sequence[str] = (),
    pictures: Sequence[Pixels] = (),
    contexts: Sequence[str] = (),
) -> Description:
    """Run every model over N pictures (uint8, (N, 260, 260, 3)).

    settled: what is said whatever the captioner writes; nothing where a person rejected its own, None where the draft
    will stand. styles: in which each is to be captioned; none: all in the normal one.
    pictures: the same ones whole, for a captioner that reads more than the square. contexts: what is known of each.
    """
    backbone, captioner = captioning.services.backbone(), captioning.services.captioner()
    embedders = {space: search.services.embedder(space) for space in spaces()}
    batch = FrameBatch(pixels, backbone.encode(pixels), pictures, contexts)
    drafts = caption_in_styles(captioner, batch, styles or [NORMAL] * len(batch))
    said = [
        draft.sentences if spoken is None else spoken for spoken, draft in zip(settled, drafts, strict=True)
    ]
    vectors = {space: embedder.embed_frames(batch, said) for space, embedder in embedders.items()}
    read = embedders["image"].embed_queries([draft.text for draft in drafts])
    match_scores = (read * vectors["image"]).sum(axis=1)
    return Description(
        captioner.model_id,
        drafts,
        said,
        {space: embedder.model_id for space, embedder in embedders.items()},
        vectors,
        match_scores,
        batch.features.logits,
        textures(batch.features.grid),
        backbone.model_id,
        list(dominant_colours(pixels)),
        score_unsafe(pixels),
    )


def record(frame_ids: Sequence[int], made: Description) -> None:
    """Write all of it in one transaction, so that no frame is ever half described, and end the claims."""
    with transaction.atomic():
        claims.finish(pipeline.DESCRIBE, frame_ids)
        rows = _still_there(frame_ids)
        ids = [frame_ids[row] for row in rows]
        drafts = [(frame_ids[row], made.drafts[row]) for row in rows]
        captioning.services.record_captions(drafts, made.model_id)
        scores = {frame_ids[row]: float(made.match_scores[row]) for row in rows}
        captioning.services.record_match_scores(scores, made.model_id)
        captioning.services.screen(ids, made.model_id)
        captioning.services.record_auto_tags(ids, made.logits[rows])
        recoloured = record_colours(ids, [made.colours[row] for row in rows])
        for space, vectors in made.vectors.items():
            search.embeddings.record(space, made.embedders[space], ids, vectors[rows])
        search.embeddings.record(TEXTURES, made.backbone_id, ids, made.textures[rows])
        # Assets after vectors: the index stage locks them in this order, too.
        if made.unsafe is not None:
            record_unsafe(ids, replace(made.unsafe, scores=[made.unsafe.scores[row] for row in rows]))
        # Of a photo that was indexed before: its vectors, where they are the same again, wait for nothing.
        assets = Frame.objects.filter(pk__in=recoloured).values_list("asset_id", flat=True)
        search.indexing.mark_stale(assets)
        _ask_again_where_others_stand({frame_ids[row]: made.said[row] for row in rows})


def _ask_again_where_others_stand(embedded: Mapping[int, tuple[str, ...]]) -> None:
    """A person may have written, decided, or taken words back, or promoted a captioner, while the models ran.

    The claims are gone by now, so a wish that comes from here on makes a row of its own.
    """
    overtaken = [each for each, said in said_of(embedded).items() if said != embedded[each]]
    if overtaken:
        pipeline.ask_for(pipeline.DESCRIBE, overtaken, express=True)


def _still_there(frame_ids: Sequence[int]) -> list[int]:
    """Positions of the frames that nobody deleted meanwhile, kept from deletion until the transaction ends."""
    alive = Frame.objects.filter(pk__in=frame_ids).select_for_update(no_key=True).order_by("pk")
    there = set(alive.values_list("pk", flat=True))
    return [row for row, frame_id in enumerate(frame_ids) if frame_id in there]


def _decoded(decoding: Mapping[int, Future[Decoded]]) -> tuple[dict[int, Decoded], dict[int, Exception]]:
    pictures: dict[int, Decoded] = {}
    errors: dict[int, Exception] = {}
    for frame_id, picture in decoding.items():
        try:
            pictures[frame_id] = picture.result()
        except Exception as error:
            errors[frame_id] = error
    return pictures, errors


def decoded(frame: Frame) -> Decoded:
    """One frame from its file, as the models read it."""
    whole_px = picture_px()
    with library.selectors.open_frame(frame, at_least_px=decoding_px()) as picture:
        return Decoded(square_pixels(picture), fitted_pixels(picture, whole_px) if whole_px else None)


@cache
def _decoders(pid: int) -> ThreadPoolExecutor:
    """This process's threads; a fork's child finds its parent's dead, hence the pid."""
    return ThreadPoolExecutor(DECODING_THREADS, thread_name_prefix=f"decode-{pid}")
