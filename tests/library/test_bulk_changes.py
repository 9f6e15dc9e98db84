"""Many photos at once: all of them or none, nobody else's, and tags in whatever case."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from core.errors import InvalidInput
from library import bulk_changes
from library.bulk_changes import change_all, delete_all
from library.models import Asset
from library.selectors import tag_names
from tests.library.conftest import files_in, stored
from tests.library.pictures import picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def three(alice: User) -> list[Asset]:
    return [stored(alice, picture(seed=seed), name=f"{seed}.jpg", tags=["sea"]) for seed in range(3)]


def test_who_sees_them_changes_and_nothing_else(alice: User, three: list[Asset]) -> None:
    before = {each.pk: each.updated_at for each in three}
    assert change_all(alice, [each.pk for each in three[:2]], visibility="public") == 2
    now = Asset.objects.order_by("pk")
    assert [each.visibility for each in now] == ["public", "public", "private"]
    assert [each.updated_at > before[each.pk] for each in now] == [True, True, False], (
        "what keeps copies must see it"
    )
    assert [tag_names(each) for each in now] == [["sea"]] * 3


def test_tags_are_added_to_those_there_are(alice: User, three: list[Asset]) -> None:
    change_all(alice, [each.pk for each in three], add_tags=["Rügen", "SEA"])
    assert [sorted(tag_names(each)) for each in three] == [["Rügen", "sea"]] * 3


def test_tags_are_removed_in_whatever_case(alice: User, three: list[Asset]) -> None:
    change_all(alice, [three[0].pk, three[1].pk], remove_tags=["Sea", "never given"])
    assert [tag_names(each) for each in three] == [[], [], ["sea"]]


def test_strangers_photos_and_such_as_are_gone_are_left_out(bob: User, three: list[Asset]) -> None:
    own = stored(bob, picture(seed=9))
    asked = [own.pk, *(each.pk for each in three), 10**6]
    assert change_all(bob, asked, visibility="public", add_tags=["mine"]) == 1
    assert delete_all(bob, asked) == 1
    assert [(each.visibility, tag_names(each)) for each in Asset.objects.all()] == [("private", ["sea"])] * 3


def test_where_one_has_no_room_for_another_tag_none_is_changed(alice: User, three: list[Asset]) -> None:
    full = stored(alice, picture(seed=7), name="full.jpg", tags=[f"tag {number}" for number in range(50)])
    with pytest.raises(InvalidInput, match=r"full\.jpg: tags: at most 50"):
        change_all(alice, [*(each.pk for each in three), full.pk], add_tags=["sand"], visibility="public")
    assert [(tag_names(each), each.visibility) for each in Asset.objects.order_by("pk")[:3]] == [
        (["sea"], "private")
    ] * 3


@pytest.mark.parametrize(
    "wrong", [{"visibility": "secret"}, {"add_tags": ["x" * 65]}, {"remove_tags": ["a,b"]}]
)
def test_what_no_photo_can_be_is_refused(alice: User, three: list[Asset], wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        change_all(alice, [three[0].pk], **wrong)


def test_too_many_are_refused_before_one_is_touched(
    alice: User, three: list[Asset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_changes, "MOST", 2)
    for change in (change_all, delete_all):
        with pytest.raises(InvalidInput, match="At most 2 photos are changed at once; these are 3"):
            change(alice, [each.pk for each in three])
    assert Asset.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_deleted_ones_are_gone_with_their_files(alice: User, media: Path) -> None:
    kept, *others = (stored(alice, picture(seed=seed), name=f"{seed}.jpg") for seed in range(3))
    assert delete_all(alice, [each.pk for each in others]) == 2
    assert Asset.objects.get() == kept
    files = files_in(media)
    assert files
    assert all(kept.sha256 in file for file in files)
