"""A second model of the caption space: what is said otherwise meanwhile is not brought back by a switch."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from core.errors import Conflict
from library.models import Frame
from search import indexing, switching
from search.models import Embedding
from search.selectors import frames_without_embedding
from search.services import rebuild_index
from tests.fakes import FakeCaptionEmbedder
from tests.workers.conftest import MakeAssets
from tests.workers.words import decided, frames_searchable, near, run_stages, to_review
from workers.embedding import embed_beside

pytestmark = pytest.mark.django_db(transaction=True)


class Hushed(FakeCaptionEmbedder):
    """Another model, though it hears the same."""

    model_id = "hushed"


@pytest.fixture
def frames(settings: Any, tmp_path: Path, make_assets: MakeAssets) -> list[Frame]:
    settings.INDEX_DIR = tmp_path / "index"
    found = frames_searchable(make_assets, "red", "blue", "green")
    switching.register("caption", f"{__name__}.{Hushed.__name__}")
    return found


def test_what_was_rejected_since_it_was_embedded_stays_so_after_the_switch_and_the_way_back(
    frames: list[Frame], alice: User
) -> None:
    model = switching.model_named("caption", "hushed")
    red, blue, green = frames
    rebuild_index("caption")
    assert embed_beside(model) == {}
    decided(alice, to_review(red), "reject")
    with pytest.raises(Conflict, match="1 frames have no vector"):
        switching.promote("caption", "hushed", force=True)
    embed_beside(model)
    switching.promote("caption", "hushed", force=True)
    assert not near(red, "a red picture")
    assert near(blue, "a blue picture")
    decided(alice, to_review(blue), "reject")
    switching.roll_back("caption")
    assert not near(blue, "a blue picture"), "though nothing was described since"
    assert near(green, "a green picture")
    assert [frame.pk for frame in frames_without_embedding("caption", "fake-caption")] == [blue.pk]
    run_stages()
    assert not near(blue, "a blue picture")
    assert near(green, "a green picture")


def test_what_is_rejected_while_the_index_is_built_is_not_found_after_the_switch(
    frames: list[Frame], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    red, blue, _ = frames
    embed_beside(switching.model_named("caption", "hushed"))
    build, built = indexing.build_for, list[int]()

    def build_and_reject(*asked: Any) -> Any:
        made = build(*asked)
        if not built:
            decided(alice, to_review(red), "reject")
        built.append(made.count)
        return made

    monkeypatch.setattr(switching, "build_for", build_and_reject)
    switching.promote("caption", "hushed", force=True)
    assert built == [3, 2]
    assert not near(red, "a red picture")
    assert near(blue, "a blue picture")


def test_what_is_said_otherwise_while_it_is_embedded_is_looked_at_again(
    frames: list[Frame], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed, rejected = Hushed.embed_frames, to_review(frames[0])
    looks: list[int] = []

    def embed_and_reject(self: Hushed, batch: Any, said: Any) -> Any:
        made = embed(self, batch, said)
        if not looks:
            decided(alice, rejected, "reject")
        looks.append(len(said))
        return made

    monkeypatch.setattr(Hushed, "embed_frames", embed_and_reject)
    seen: list[tuple[int, int]] = []
    assert embed_beside(switching.model_named("caption", "hushed"), lambda *told: seen.append(told)) == {}
    assert (looks, seen) == ([3, 1], [(3, 3), (1, 1)])
    vector = Embedding.objects.get(frame=frames[0], model_id="hushed").vector
    assert bytes(vector) == FakeCaptionEmbedder().embed_queries([""]).tobytes()
