"""Several processes over one database and one index folder: a writer, readers, and writers that are killed."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from django.contrib.auth.models import User
from django.db.models import Max

from core import backends
from library.models import Asset
from search.models import Embedding, Generation, IndexPosition, KeywordDocument
from search.selectors import frames_to_index
from search.services import index, index_frames, rebuild_index, search_text, spaces
from tests.search.killed import MOMENTS
from tests.search.photos import many, person
from tests.search.processes import REPOSITORY, killing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner(transactional_db: None) -> User:
    return person("alice")


@contextmanager
def writing(env: dict[str, str], *arguments: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.search.writer", *map(str, arguments)]
    with subprocess.Popen(command, cwd=REPOSITORY, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_of(process: "subprocess.Popen[str]") -> Iterator[list[str]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.split()


def first_for(number: int) -> int:
    return search_text(None, f"word{number}").matches[0].asset_id


def test_what_a_writer_committed_is_found_at_once_also_while_it_rebuilds(
    owner: User, env: dict[str, str]
) -> None:
    seen = 0
    with writing(env, owner.pk, 1, 30, 7) as writer:
        for kind, *rest in lines_of(writer):
            if kind == "photo":
                asset_id, number = map(int, rest)
                assert first_for(number) == asset_id
                assert first_for(max(1, number // 2)) != asset_id or number == 1
                seen += 1
        assert writer.wait() == 0
    assert seen == 30
    assert {index(space).describe().sealed_count for space in spaces()} == {28}
    assert {index(space).describe().tail_count for space in spaces()} == {2}


def test_a_writer_killed_anywhere_loses_and_doubles_nothing(owner: User, env: dict[str, str]) -> None:
    said: dict[int, int] = {}
    numbers = count(1)
    for kill_after in (1, 4, 6):
        first = next(numbers) * 1000
        with writing(env, owner.pk, first, 500, 3) as writer:
            for at, (kind, *rest) in enumerate(lines_of(writer)):
                if kind == "photo":
                    said[int(rest[1])] = int(rest[0])
                if at >= kill_after:
                    # Somewhere in the next photo, or in the rebuild that was just announced.
                    time.sleep(0.002 * kill_after)
                    writer.send_signal(signal.SIGKILL)
                    break
        assert_whole(said)
    index_frames(frames_to_index().values_list("pk", flat=True))
    assert not frames_to_index().exists()
    rebuild_index()
    assert_whole(said)


def assert_whole(said: dict[int, int]) -> None:
    """Everything that was announced is found, by this process and by one that starts afresh."""
    for _ in range(2):
        assert {number: first_for(number) for number in said} == said
        backends.clear()
    position = IndexPosition.objects.get()
    numbered = Embedding.objects.exclude(number=None)
    assert (numbered.aggregate(last=Max("number"))["last"] or 0) <= position.last_number
    # Both spaces and the words of a photo become searchable together or not at all.
    frames = {
        space: set(numbered.filter(space=space).values_list("frame__asset", flat=True)) for space in spaces()
    }
    assert (
        frames["image"] == frames["caption"] == set(KeywordDocument.objects.values_list("asset", flat=True))
    )


def test_a_rebuild_killed_at_any_moment_is_made_up_for_by_the_next(owner: User, env: dict[str, str]) -> None:
    assets = many(owner, 60, "a red picture")
    rebuild_index()
    rebuild_index()
    with killing(env) as kill:
        for moment, (_, _, task) in MOMENTS.items():
            if task != "rebuild":
                continue
            newest = many(owner, 5, "a blue picture")
            assert_found(assets, newest, moment)
            kill(moment)
            assert_found(assets, newest, moment)
            backends.clear()
            assert_found(assets, newest, moment)
            for row in rebuild_index():
                assert row.count == Embedding.objects.filter(space=row.space).count(), moment
            states = Generation.objects.filter(state__in=[Generation.State.LIVE, Generation.State.BUILDING])
            assert sorted(states.values_list("space", "state")) == [("caption", "live"), ("image", "live")]
            Asset.objects.filter(pk__in=[asset.pk for asset in newest]).delete()


def assert_found(red: list[Asset], blue: list[Asset], moment: str) -> None:
    found = {match.asset_id for match in search_text(None, "blue", limit=5).matches}
    assert found == {asset.pk for asset in blue}, moment
    assert search_text(None, "red").matches[0].asset_id in {asset.pk for asset in red}, moment
