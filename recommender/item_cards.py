"""What is said of items' pictures."""

from collections.abc import Sequence

from captioning.selectors import sentences_of
from library.models import Frame
from recommender.models import Item


def captions_of_items(items: Sequence[Item]) -> dict[int, str]:
    """The sentence that stands for each item's picture, by item id; items without one are left out."""
    asset_of = {item.pk: item.asset_id for item in items if item.asset_id is not None}
    sentences = captions_of_assets(list(asset_of.values()))
    return {item_id: sentences[asset_id] for item_id, asset_id in asset_of.items() if asset_id in sentences}


def captions_of_assets(asset_ids: Sequence[int]) -> dict[int, str]:
    """The sentence that stands for the first frame of each asset, in two queries however many there are."""
    frames = Frame.objects.filter(asset_id__in=asset_ids).order_by("-number")
    first = dict(frames.values_list("asset_id", "pk"))
    sentences = sentences_of(first.values())
    return {
        asset_id: sentences[frame_id].text for asset_id, frame_id in first.items() if frame_id in sentences
    }
