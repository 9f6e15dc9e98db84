"""Who may see what. Alice owns, bob is a stranger, carol is staff, and nobody is nobody."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User

from core.errors import CorruptMedia, NotAllowed, NotFound
from library import selectors, storage
from library.frames import make_frames
from library.models import Asset
from tests.library.conftest import stored
from tests.library.pictures import drawing, encoded, halves, picture

pytestmark = pytest.mark.django_db(transaction=True)


def test_private_assets_are_seen_by_their_owner_alone(alice: User, bob: User, carol: User) -> None:
    private, public = stored(alice), stored(alice, picture(seed=1), visibility="public")
    assert set(selectors.visible_assets(alice)) == {private, public}
    for stranger in (bob, carol, AnonymousUser(), None):
        assert set(selectors.visible_assets(stranger)) == {public}


def test_an_asset_without_permission_is_not_found_in_the_same_words_as_none(alice: User, bob: User) -> None:
    asset = stored(alice)
    with pytest.raises(NotFound) as private:
        selectors.asset_for(bob, asset.pk)
    with pytest.raises(NotFound) as absent:
        selectors.asset_for(bob, asset.pk + 1000)
    assert str(private.value) == str(absent.value)


@pytest.mark.parametrize("asset_id", [0, -1, 2**63, 10**30])
def test_impossible_ids_are_not_found(asset_id: int, alice: User) -> None:
    with pytest.raises(NotFound):
        selectors.asset_for(alice, asset_id)


def test_public_assets_are_changed_by_their_owner_alone(alice: User, bob: User, carol: User) -> None:
    asset = stored(alice, visibility="public")
    assert selectors.editable_asset_for(alice, asset.pk) == asset
    for stranger in (bob, carol, None):
        with pytest.raises(NotAllowed):
            selectors.editable_asset_for(stranger, asset.pk)


def test_making_frames_twice_makes_one(alice: User) -> None:
    asset = stored(alice)
    first, again = make_frames(asset), make_frames(asset)
    assert first == again
    assert list(selectors.frames_of(asset)) == first


def test_a_frame_opens_upright_in_rgb(alice: User) -> None:
    asset = stored(alice, halves("JPEG", 6))
    image = selectors.open_frame(make_frames(asset)[0])
    assert (image.mode, image.size) == ("RGB", (40, 80))


def test_a_frame_keeps_its_transparency(alice: User) -> None:
    asset = stored(alice, encoded(drawing().convert("RGBA"), "PNG"))
    assert selectors.open_frame(make_frames(asset)[0]).mode == "RGBA"


def test_a_frame_can_be_had_smaller(alice: User) -> None:
    asset = stored(alice, picture(size=(1600, 1200)))
    image = selectors.open_frame(make_frames(asset)[0], at_least_px=260)
    assert 260 <= min(image.size) < 600


@pytest.mark.parametrize("left", [b"", b"half a file"])
def test_a_frame_whose_file_is_damaged_or_gone_says_so(left: bytes, alice: User) -> None:
    asset = stored(alice)
    frame = make_frames(asset)[0]
    storage.remove_file(asset.original_key)
    if left:
        storage.put(asset.original_key, left)
    with pytest.raises((CorruptMedia, Exception), match=r"missing|not a picture"):
        selectors.open_frame(frame)


def test_near_duplicates_are_other_versions_of_the_picture_that_the_viewer_may_see(
    alice: User, bob: User
) -> None:
    asset = stored(alice, picture("PNG"))
    smaller = stored(alice, encoded(drawing().resize((120, 90)), "JPEG"))
    hidden = stored(bob, picture("BMP"))
    same = stored(bob, picture("PNG"), visibility="public")
    stored(alice, picture(seed=9))
    assert selectors.near_duplicate_ids(alice, asset) == [smaller.pk]
    assert hidden.pk in selectors.near_duplicate_ids(bob, asset)
    assert selectors.exact_duplicate_ids(alice, asset) == [same.pk]
    assert selectors.exact_duplicate_ids(alice, same) == [asset.pk]


def test_private_photos_of_the_same_bytes_are_told_to_their_owner_alone(alice: User, bob: User) -> None:
    public, private = stored(alice, visibility="public"), stored(bob)
    assert selectors.exact_duplicate_ids(bob, public) == [private.pk]
    for stranger in (alice, None):
        assert selectors.exact_duplicate_ids(stranger, public) == []


def test_duplicates_that_are_taken_for_unsafe_are_told_to_their_owner_alone(
    alice: User, bob: User, settings: Any
) -> None:
    asset = stored(alice, visibility="public")
    same, near = (
        stored(bob, visibility="public"),
        stored(bob, picture("PNG"), visibility="public"),
    )
    Asset.objects.filter(owner=bob).update(unsafe_score=0.99)
    for viewer, exact, looks_so in ((bob, [same.pk], [near.pk]), (alice, [], []), (None, [], [])):
        assert selectors.exact_duplicate_ids(viewer, asset) == exact
        assert selectors.near_duplicate_ids(viewer, asset) == looks_so
    settings.UNSAFE_PHOTOS = "show"
    assert selectors.near_duplicate_ids(alice, asset) == [near.pk]


def test_near_duplicates_cost_no_more_than_comparing_so_many(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset, oldest, older, newest = (stored(alice, picture(seed=seed)).pk for seed in range(4))
    unlike = {asset: "0" * 16, oldest: "0" * 15 + "1", older: "0" * 15 + "7", newest: "0" * 15 + "3"}
    for pk, perceptual_hash in unlike.items():
        Asset.objects.filter(pk=pk).update(perceptual_hash=perceptual_hash)
    found = Asset.objects.get(pk=asset)
    assert selectors.near_duplicate_ids(alice, found) == [oldest, newest, older]
    monkeypatch.setattr(selectors, "NEAR_DUPLICATES_COMPARED", 2)
    assert selectors.near_duplicate_ids(alice, found) == [newest, older]
    monkeypatch.setattr(selectors, "NEAR_DUPLICATES_MOST", 1)
    assert selectors.near_duplicate_ids(alice, found) == [newest]


def test_pages_follow_each_other_without_gap_or_repetition(alice: User) -> None:
    made = [stored(alice, picture(seed=seed)).pk for seed in range(5)]
    seen: list[int] = []
    before: int | None = None
    while True:
        assets, before = selectors.asset_page(alice, selectors.AssetFilters(), before_id=before, limit=2)
        seen += [asset.pk for asset in assets]
        if before is None:
            break
    assert seen == sorted(made, reverse=True)


def test_filters_narrow_what_is_visible_and_never_widen_it(alice: User, bob: User) -> None:
    def shown(viewer: User | None, **filters: object) -> set[Asset]:
        chosen = selectors.AssetFilters(**filters)  # type: ignore[arg-type]
        return set(selectors.asset_page(viewer, chosen, before_id=None, limit=10)[0])

    hers = stored(alice, tags=["Sea"])
    his = stored(bob, picture(seed=1), visibility="public", tags=["sea"])
    stored(bob, picture(seed=2), tags=["sea"])
    assert shown(alice, tag="SEA") == {hers, his}
    assert shown(alice, mine=True) == {hers}
    assert shown(alice, mine=False) == {his}
    assert shown(None, mine=True) == set()
    assert shown(alice, visibility="private") == {hers}
    assert shown(None, visibility="private") == set()
    assert shown(alice, tag="lake") == set()
