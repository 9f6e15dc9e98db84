"""A second model of a space: embedded beside the first, judged, switched to, and back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import Count, F, Value
from django.db.models.functions import Concat, Length, Substr
from numpy.typing import NDArray

from captioning.vision.frames import FrameBatch
from core.errors import Conflict, InvalidInput, NeedsForce, NotFound
from library.models import Frame
from recommender.item_vectors import items_without_vectors
from recommender.models import ItemVector
from search import encoding, switching
from search.active import active_model_id
from search.checking import check_index
from search.index.base import EVERYTHING
from search.models import Embedding, SpaceModel, SpaceSwitch
from search.selectors import frames_without_embedding
from search.services import index, rebuild_index, search_text
from tests.fakes import FakeImageEmbedder
from tests.pages.photos import describe_all
from tests.recommender.asking import put
from tests.recommender.sites import site
from tests.workers.conftest import MakeFrames
from workers import pipeline
from workers.embedding import check_items, embed_beside

OTHER = "tests.workers.test_switching.Mirrored"


class Mirrored(FakeImageEmbedder):
    """The same space seen in a mirror: beside the first model's vectors it would rank all wrong."""

    model_id = "mirrored"

    def embed_frames(self, frames: FrameBatch, said: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
        return -super().embed_frames(frames, said)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return -super().embed_queries(texts)


class _Dataset:
    def split(self, name: str) -> list[Any]:
        return []


@contextmanager
def _sandbox() -> Iterator[None]:
    """What is written in it is gone afterwards."""
    before = set(SpaceModel.objects.values_list("pk", flat=True))
    SpaceModel.objects.update(space=Concat(F("space"), Value("~")))
    try:
        yield
    finally:
        SpaceSwitch.objects.exclude(model__in=before).delete()
        SpaceModel.objects.exclude(pk__in=before).delete()
        SpaceModel.objects.update(space=Substr("space", 1, Length("space") - 1))


@pytest.fixture
def own_index(settings: Any, tmp_path: Path) -> None:
    settings.INDEX_DIR = tmp_path / "index"


@pytest.fixture
def library(own_index: None, make_pictures: MakeFrames) -> list[Frame]:
    """Three described photos, indexed, and the second model listed."""
    frames = make_pictures("red", "green", "blue")
    describe_all()
    rebuild_index()
    switching.register("image", OTHER)
    return frames


def nearest(text: str) -> int:
    """The frame that the image space alone puts first, by whatever model is active."""
    vector = encoding.embedder("image").embed_queries([text])[0]
    return int(index("image").search(vector, 1, EVERYTHING).frame_ids[0])


def judged(*, better: bool = True) -> None:
    figures = {"image": {"r10": 0.6}}, {"image": {"r10": 0.5}}
    model = switching.model_named("image", "mirrored")
    switching.record_figures(model, *(figures if better else reversed(figures)))


def test_a_model_is_embedded_judged_switched_to_and_back(library: list[Frame]) -> None:
    red = library[0].pk
    assert nearest("red") == red
    seen: list[tuple[int, int]] = []
    model = switching.model_named("image", "mirrored")
    assert embed_beside(model, lambda done, total: seen.append((done, total))) == {}
    assert seen[-1] == (3, 3)
    assert (active_model_id("image"), nearest("red")) == ("fake-image", red)
    judged()
    switching.promote("image", "mirrored")
    assert (active_model_id("image"), nearest("red")) == ("mirrored", red)
    assert search_text(None, "green").matches == []  # private, as they were
    assert index("image").describe().sealed_count == 3
    assert check_index() == []
    assert switching.roll_back("image").model.model_id == "fake-image"
    assert (active_model_id("image"), nearest("red")) == ("fake-image", red)
    with pytest.raises(Conflict, match="Nothing was switched"):
        switching.roll_back("image")


def test_items_of_sites_are_there_from_the_switch_on(
    library: list[Frame], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "wake_items", lambda: True)
    put(site(alice), walk="A red walk", talk="A green talk")
    model = switching.model_named("image", "mirrored")
    judged()
    told = "2 items of sites have no vector"
    with pytest.raises(Conflict, match=told):
        check_items(model)
    with pytest.raises(CommandError, match=told):
        call_command("embedder", "promote", "image", "mirrored")
    assert embed_beside(model) == {}
    made = dict(ItemVector.objects.filter(space="image").values_list("model_id").annotate(Count("pk")))
    assert made == {"fake-image": 2, "mirrored": 2}
    call_command("embedder", "promote", "image", "mirrored", verbosity=0)
    assert active_model_id("image") == "mirrored"
    assert not items_without_vectors().exists()


def test_what_is_embedded_already_is_not_embedded_again(
    library: list[Frame], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    model = switching.model_named("image", "mirrored")
    settings.DESCRIBE_BATCH_SIZE = 2
    calls: list[int] = []
    embed = Mirrored.embed_frames

    def counted(self: Mirrored, frames: FrameBatch, said: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
        calls.append(len(frames))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return embed(self, frames, said)

    monkeypatch.setattr(Mirrored, "embed_frames", counted)
    with pytest.raises(KeyboardInterrupt):
        embed_beside(model)
    assert frames_without_embedding("image", "mirrored").count() == 1
    embed_beside(model)
    assert calls == [2, 1, 1]


def test_a_switch_wants_every_vector_and_better_figures(library: list[Frame]) -> None:
    with pytest.raises(Conflict, match="3 frames have no vector"):
        switching.promote("image", "mirrored")
    embed_beside(switching.model_named("image", "mirrored"))
    with pytest.raises(NeedsForce, match="was not evaluated"):
        switching.promote("image", "mirrored")
    judged(better=False)
    with pytest.raises(NeedsForce, match=r"0\.500 and not 0\.600"):
        switching.promote("image", "mirrored")
    assert active_model_id("image") == "fake-image"
    switching.promote("image", "mirrored", force=True)
    with pytest.raises(Conflict, match="active already"):
        switching.promote("image", "mirrored")


def test_what_is_no_model_of_the_space_is_refused(own_index: None, db: None) -> None:
    with pytest.raises(InvalidInput, match="no space"):
        switching.register("sound", OTHER)
    with pytest.raises(InvalidInput, match="into the space image"):
        switching.register("caption", OTHER)
    with pytest.raises(NotFound, match="embedder list"):
        switching.promote("image", "unheard of")


def test_a_photo_that_came_after_the_switch_is_described_again_after_the_way_back(
    library: list[Frame], make_pictures: MakeFrames
) -> None:
    embed_beside(switching.model_named("image", "mirrored"))
    switching.promote("image", "mirrored", force=True)
    (late,) = make_pictures("yellow")
    describe_all()
    assert set(Embedding.objects.filter(frame=late, space="image").values_list("model_id", flat=True)) == {
        "mirrored"
    }
    assert nearest("yellow") == late.pk
    switching.roll_back("image")
    assert list(frames_without_embedding("image", "fake-image")) == [late]
    describe_all()
    assert nearest("yellow") == late.pk


def test_a_search_keeps_to_one_model_whatever_is_switched_meanwhile(
    library: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its query was encoded by the first model when the second became active: it must still ask the first index."""
    embed_beside(switching.model_named("image", "mirrored"))
    owner = library[0].asset.owner
    encode = encoding.loaded

    def switched_meanwhile(space: str, model: Any) -> Any:
        found = encode(space, model)
        if active_model_id("image") == "fake-image":
            switching.promote("image", "mirrored", force=True)
        return found

    encoding._encoded.cache_clear()
    monkeypatch.setattr(encoding, "loaded", switched_meanwhile)
    found = search_text(owner, "red").matches
    assert active_model_id("image") == "mirrored"
    assert found[0].asset_id == library[0].asset_id
    assert found[0].why["image"] > 0


def test_readers_are_right_while_models_are_switched_to_and_fro(library: list[Frame]) -> None:
    embed_beside(switching.model_named("image", "mirrored"))
    owner, first = library[0].asset.owner, library[0].asset_id
    wrong: list[Any] = []
    done = Event()

    def read() -> None:
        from django.db import connection

        while not done.is_set():
            matches = search_text(owner, "red").matches
            if matches[0].asset_id != first or matches[0].why["image"] <= 0:
                wrong.append(matches)
        connection.close()

    reader = Thread(target=read)
    reader.start()
    try:
        for _ in range(4):
            switching.promote("image", "mirrored", force=True)
            switching.roll_back("image")
    finally:
        done.set()
        reader.join()
    assert wrong == []


def test_vectors_of_a_model_that_is_not_active_can_be_forgotten(library: list[Frame]) -> None:
    embed_beside(switching.model_named("image", "mirrored"))
    with pytest.raises(Conflict, match="active model"):
        switching.forget("image", "fake-image")
    assert switching.forget("image", "mirrored") == 3
    assert not Embedding.objects.filter(model_id="mirrored").exists()


def test_the_command_from_the_first_word_to_the_way_back(
    own_index: None, make_pictures: MakeFrames, capsys: pytest.CaptureFixture[str]
) -> None:
    make_pictures("red", "green")
    describe_all()
    call_command("embedder", "add", "image", OTHER)
    with pytest.raises(CommandError, match="embedder embed image mirrored"):
        call_command("embedder", "promote", "image", "mirrored", verbosity=0)
    call_command("embedder", "embed", "image", "mirrored", verbosity=0)
    with pytest.raises(CommandError, match="--force"):
        call_command("embedder", "promote", "image", "mirrored", verbosity=0)
    call_command("embedder", "promote", "image", "mirrored", "--force", verbosity=0)
    call_command("embedder", "list")
    assert "* mirrored of image: not evaluated" in capsys.readouterr().out
    call_command("embedder", "rollback", "image")
    assert "Searches ask fake-image of image again." in capsys.readouterr().out
    assert SpaceSwitch.objects.count() == 3
    assert SpaceModel.objects.filter(space="image").count() == 2


def test_figures_are_those_of_both_models_on_the_same_queries(
    library: list[Frame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evaluation itself is tested where it lives; here each model must be the active one in its turn."""
    asked: list[str] = []

    def figures(queries: Any) -> dict[str, dict[str, float]]:
        asked.append(active_model_id("image"))
        r10 = 0.1 * len(asked)
        return {"image": {"r10": r10}, "hybrid": {"r10": r10}}

    monkeypatch.setattr("search.evaluation.modes.evaluate_modes", figures)
    monkeypatch.setattr("search.evaluation.ingest.ingest", lambda images: [])
    monkeypatch.setattr("search.evaluation.sandbox.sandbox", _sandbox)
    monkeypatch.setattr("captioning.training.dataset.read_dataset", lambda folder: _Dataset())
    SpaceModel.objects.create(space="image", model_id="retrained-since", embedder=OTHER)
    with pytest.raises(CommandError, match="'mirrored', but 'retrained-since' is configured"):
        call_command("embedder", "evaluate", "image", "retrained-since", dataset=tmp_path)
    assert not asked, "what can't be loaded costs no evaluation"
    call_command("embedder", "evaluate", "image", "mirrored", dataset=tmp_path)
    assert asked == ["fake-image", "mirrored"]
    embed_beside(switching.model_named("image", "mirrored"))
    switching.promote("image", "mirrored")
