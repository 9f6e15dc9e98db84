"""What check_index finds and heals, and what a kill at any moment leaves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from core import backends
from core.locks import named_lock
from search.checking import check_index, heal
from search.models import Embedding, Generation, IndexPosition
from search.services import rebuild_index, search_text
from tests.search.killed import MOMENTS
from tests.search.photos import describe, many, person, photo, stored
from tests.search.processes import killing


def texts() -> list[str]:
    return [f"{difference.where}: {difference.text}" for difference in check_index()]


def folder_of(settings: Any) -> Path:
    (pointer,) = (settings.INDEX_DIR / "image").rglob("CURRENT")
    return Path(pointer).parent


def live_folder(settings: Any) -> Path:
    folder = folder_of(settings)
    return folder / (folder / "CURRENT").read_text()


@pytest.mark.django_db
class TestFindingAndHealing:
    def healed(self, *named: str) -> None:
        """Exactly these differences are named, and none is left after healing; searches are right."""
        backends.clear()
        found = check_index()
        assert len(found) == len(named), [difference.text for difference in found]
        for difference, words in zip(found, named, strict=True):
            assert words in difference.text
        assert heal(found) == []
        backends.clear()
        assert texts() == []

    def test_nothing_at_all_agrees(self, db: None) -> None:
        assert texts() == []

    def test_what_is_as_it_should_be_agrees(self, alice: User) -> None:
        many(alice, 30, "a red picture")
        assert texts() == []
        rebuild_index()
        photo(alice)
        many(alice, 3, "a red picture")[0].delete()
        assert texts() == []

    def test_a_vector_that_differs_from_its_row(self, alice: User) -> None:
        assets = many(alice, 5, "a red picture")
        photo(alice, "a blue picture")
        rebuild_index()
        row = Embedding.objects.get(space="image", frame__asset=assets[0])
        other = Embedding.objects.exclude(vector=row.vector).filter(space="image")[0]
        Embedding.objects.filter(pk=row.pk).update(vector=other.vector)
        self.healed(f"another vector than the row of 1 frame ({row.frame_id})")

    def test_a_row_that_the_index_lacks(self, alice: User) -> None:
        many(alice, 5, "a red picture")
        late = photo(alice, "a blue picture")
        waiting = Embedding.objects.filter(frame__asset=late, space="image")
        kept = waiting.get()
        waiting.delete()
        rebuild_index()
        kept.save(force_insert=True)
        self.healed("lacks 1 frame")
        assert search_text(None, "blue").matches[0].asset_id == late.pk

    @pytest.mark.parametrize("file", ["vectors.f32", "frame_ids.npy", "columns.npy", "about.json"])
    def test_a_damaged_file(self, alice: User, settings: Any, file: str) -> None:
        many(alice, 5, "a red picture")
        rebuild_index()
        (live_folder(settings) / file).write_bytes(b"damaged")
        self.healed("damaged or missing")
        assert len(search_text(alice, "red").matches) == 5

    def test_files_that_are_gone(self, alice: User, settings: Any) -> None:
        many(alice, 5, "a red picture")
        rebuild_index()
        (folder_of(settings) / "CURRENT").unlink()
        self.healed("its files are gone")

    def test_a_generation_without_a_record(self, alice: User) -> None:
        many(alice, 5, "a red picture")
        rebuild_index()
        Generation.objects.filter(space="image").delete()
        self.healed("has no record")

    def test_a_generation_that_is_not_recorded_as_live(self, alice: User) -> None:
        many(alice, 5, "a red picture")
        rebuild_index()
        Generation.objects.filter(space="image").update(state=Generation.State.FAILED)
        self.healed("not recorded as live")

    def test_files_of_another_database(self, alice: User) -> None:
        many(alice, 5, "a red picture")
        rebuild_index()
        IndexPosition.objects.update(last_number=1000, token="0" * 32)
        self.healed("another database", "another database")

    def test_what_a_killed_rebuild_left(self, alice: User, settings: Any) -> None:
        photo(alice)
        rebuild_index()
        (folder_of(settings) / "image-half").mkdir()
        (folder_of(settings) / ".CURRENT.image-half").write_text("image-half")
        Generation.objects.create(space="image", model_id="fake-image", dimension=0, file_name="image-half")
        self.healed("ended without saying how", "never finished", "never put in place")
        assert not (folder_of(settings) / "image-half").exists()

    def test_a_position_that_was_lost(self, alice: User) -> None:
        many(alice, 5, "a red picture")
        IndexPosition.objects.update(last_number=2)
        self.healed("numbered up to 10, the position says 2")
        assert IndexPosition.objects.get().last_number == 10

    def test_a_vector_of_another_length_goes_and_is_made_again(self, alice: User) -> None:
        many(alice, 5, "a red picture")
        row = Embedding.objects.filter(space="image")[0]
        Embedding.objects.filter(pk=row.pk).update(vector=bytes(row.vector)[:-4])
        self.healed("1 vectors of image differ in length", "differ in length")
        assert not Embedding.objects.filter(pk=row.pk).exists()

    def test_frames_that_nobody_made_findable(self, alice: User) -> None:
        describe(stored(alice), caption="a red picture")
        self.healed("1 frames are described and not yet findable")
        assert len(search_text(alice, "red").matches) == 1

    def test_not_while_a_rebuild_is_under_way(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("search.checking.REBUILD_TIMEOUT_S", 0.1)
        with named_lock("index-rebuild", 1), pytest.raises(CommandError, match="index-rebuild"):
            call_command("check_index")

    def test_the_command_names_heals_and_fails_where_something_differs(
        self, alice: User, capsys: pytest.CaptureFixture[str]
    ) -> None:
        many(alice, 5, "a red picture")
        rebuild_index()
        Generation.objects.filter(space="image").delete()
        with pytest.raises(CommandError, match="--fix"):
            call_command("check_index")
        assert "image: generation image-" in capsys.readouterr().out
        call_command("check_index", fix=True)
        assert "agree" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_killed_at_any_moment_the_next_start_is_right(env: dict[str, str], transactional_db: None) -> None:
    owner = person("alice")
    many(owner, 60, "a red picture")
    rebuild_index()
    rebuild_index()
    with killing(env) as kill:
        for serial, moment in enumerate(MOMENTS):
            _killed_and_right(owner, serial, moment, kill)


def _killed_and_right(owner: User, serial: int, moment: str, kill: Callable[[str], None]) -> None:
    """The newest photo is found before anything is healed, by a reader that starts afresh; then all agrees again."""
    newest = photo(owner, f"word{serial} blue picture")
    waiting = stored(owner)
    describe(waiting, caption=f"word{serial} green picture")
    kill(moment)
    backends.clear()
    assert search_text(None, f"word{serial} blue").matches[0].asset_id == newest.pk, moment
    assert len(search_text(None, "red", limit=50).matches) == 50, moment
    heal(check_index())
    backends.clear()
    assert texts() == [], moment
    assert search_text(None, f"word{serial} green").matches[0].asset_id == waiting.pk, moment
    assert Generation.objects.filter(state=Generation.State.BUILDING).count() == 0
    for space in ("image", "caption"):
        live = Generation.objects.filter(space=space, state=Generation.State.LIVE)
        assert live.count() == 1, moment
