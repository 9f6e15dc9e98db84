"""The shipped models on real photographs: what people type finds what they mean."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from captioning.training.dataset import CaptionedImage
from config.demo.photos import demo_photos
from core import backends
from search.embedders.scripts import beyond_latin
from search.evaluation.ingest import ingest
from search.evaluation.modes import HYBRID, evaluate_modes

pytestmark = [pytest.mark.models, pytest.mark.django_db]

#: By the place of the photo in the demo; the other five photos are there to be mistaken for these.
QUERIES = {
    1: "an astronaut",
    2: "a cat",
    3: "a cup of coffee",
    4: "a motorcycle",
    5: "a rocket",
    6: "a man with a camera",
    7: "coins",
    10: "a brick wall",
    14: "a Chinese temple",
    15: "a flower",
}

IN_CHINESE = {
    1: "宇航员",
    2: "猫",
    3: "一杯咖啡",
    4: "摩托车",
    5: "火箭",
    6: "拿着相机的男人",
    7: "硬币",
    10: "砖墙",
    14: "中国寺庙",
    15: "花",
}


@pytest.fixture
def shipped_models(settings: Settings, tmp_path: Path) -> Iterator[None]:
    settings.BACKBONE = "captioning.vision.backbone.EfficientNetLite2"
    settings.CAPTIONER = "captioning.captioners.visual.VisualCaptioner"
    settings.CAPTIONER_MODEL_ID = None
    settings.EMBEDDERS = {
        "image": "search.embedders.dual.DualEncoder",
        "caption": "search.embedders.sentence.SentenceEncoder",
    }
    settings.EMBEDDER_MODEL_IDS = {}
    settings.MODEL_CACHE_DIR = tmp_path
    yield
    backends.clear()


def test_most_plain_queries_in_either_language_find_their_photo_first(
    shipped_models: None, tmp_path: Path
) -> None:
    photos = sorted(demo_photos(tmp_path / "photos").iterdir())
    asked = {number: (query, IN_CHINESE[number]) for number, query in QUERIES.items()}
    queries = ingest([CaptionedImage(path, asked.get(at, ())) for at, path in enumerate(photos, start=1)])
    chinese = [query for query in queries if beyond_latin(query.text)]
    english = [query for query in queries if not beyond_latin(query.text)]
    assert len(chinese) == len(english) == len(QUERIES)
    assert evaluate_modes(english)[HYBRID]["r1"] >= 0.8
    assert evaluate_modes(chinese)[HYBRID]["r1"] >= 0.6
