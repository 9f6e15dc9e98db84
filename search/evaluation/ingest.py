"""Put a split into the library as the pipeline would: only what the models make of the pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth import get_user_model
from tqdm import tqdm

from captioning import services as captioning
from captioning.evaluation.captioner import frame_batches
from captioning.training.dataset import CaptionedImage
from library.models import Asset, Frame
from search import embeddings, indexing
from search.active import spaces
from search.encoding import embedder

_BATCH = 32


@dataclass(frozen=True)
class Query:
    """A sentence that a person wrote, and the asset it was written about."""

    text: str
    asset_id: int


def ingest(images: Sequence[CaptionedImage]) -> list[Query]:
    """Caption, embed, tag and index the pictures; the human captions come back as queries and go nowhere else."""
    frames = _frames_for(images)
    captioner, backbone = captioning.captioner(), captioning.backbone()
    batches = frame_batches(images, backbone, captioner, _BATCH)
    for start, batch in enumerate(
        tqdm(batches, total=-(-len(images) // _BATCH), desc="captioning and indexing")
    ):
        ids = [frame.pk for frame in frames[start * _BATCH : start * _BATCH + len(batch)]]
        drafts = captioner.caption(batch)
        captioning.record_captions(list(zip(ids, drafts, strict=True)), captioner.model_id)
        captioning.record_auto_tags(ids, batch.features.logits)
        for space in spaces():
            model = embedder(space)
            vectors = model.embed_frames(batch, [draft.sentences for draft in drafts])
            embeddings.record(space, model.model_id, ids, vectors)
        indexing.index_frames(ids)
    return [
        Query(caption, frame.asset_id)
        for image, frame in zip(images, frames, strict=True)
        for caption in image.captions
    ]


def _frames_for(images: Sequence[CaptionedImage]) -> list[Frame]:
    """Rows without files: the pictures stay where the dataset has them."""
    owner = get_user_model().objects.create(username="evaluation")
    assets = Asset.objects.bulk_create(
        Asset(
            owner=owner,
            sha256=f"{number:064x}",
            mime_type="image/jpeg",
            original_key=f"evaluation/{number}",
            size_bytes=1,
            width_px=1,
            height_px=1,
            visibility=Asset.Visibility.PUBLIC,
        )
        for number, _ in enumerate(images)
    )
    return Frame.objects.bulk_create(Frame(asset=asset) for asset in assets)
