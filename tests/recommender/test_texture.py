"""What the backbone saw of photos, and captions that may be wrong."""

import numpy as np
import pytest
from django.contrib.auth.models import User

from captioning.models import Caption
from captioning.vision.texture import textures
from library.models import Asset, Frame
from recommender.related_things import things_of
from recommender.scoring.relatedness import Example, Known, related
from search import embeddings
from search.active import TEXTURES
from tests.search.photos import photo

pytestmark = pytest.mark.django_db


def known_of(asset: Asset) -> Known:
    (thing,) = things_of([asset], [])
    return thing.known


def test_the_root_of_each_channel_s_mean_counts() -> None:
    grid = np.zeros((2, 81, 4), dtype=np.float16)
    grid[0, :, 0], grid[0, :, 1] = 9.0, 16.0
    grid[0, 0, 2] = -5.0
    assert textures(grid)[0] == pytest.approx([0.6, 0.8, 0.0, 0.0])
    assert np.linalg.norm(textures(grid), axis=1) == pytest.approx([1.0, 1.0])
    assert textures(grid[:0]).shape == (0, 4)


def test_photos_are_compared_by_what_one_backbone_saw(alice: User) -> None:
    old, new, newer = photo(alice), photo(alice), photo(alice)
    for asset, model in ((old, "backbone-1"), (new, "backbone-2"), (newer, "backbone-2")):
        frame = Frame.objects.get(asset=asset)
        embeddings.record(TEXTURES, model, [frame.pk], np.eye(1, 8, dtype=np.float32))
    worths = related([Example(known_of(new))], [known_of(old), known_of(newer)]).worths["texture"]
    assert worths[0] == 0.0
    assert worths[1] > 0.0


def test_a_caption_that_waits_for_review_relates_nothing_until_somebody_accepts_it(alice: User) -> None:
    asset = photo(alice, "a red picture")
    caption = Caption.objects.get(frame__asset=asset)
    for state, believed in (("to_review", False), ("accepted", True), ("auto_accepted", True)):
        Caption.objects.filter(pk=caption.pk).update(state=state)
        known = known_of(asset)
        assert (getattr(known, "caption", None) is not None) == believed
        assert (getattr(known, "sentence", "") == "a red picture") == believed
