"""Saying that a photo is safe or unsafe: who may, what holds, and what it takes back."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User

from core.errors import Conflict, InvalidInput, NotAllowed, NotFound
from library.models import Asset, SafetyStatement
from library.safety import say, take_back
from library.safety_selectors import asked_to_look_again, may_judge, safety_of, statements_of
from library.selectors import is_hidden, listed_assets, taken_for_unsafe
from tests.library.conftest import stored
from tests.library.pictures import picture

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mo(db: None) -> User:
    """A moderator: not staff, but with the permission."""
    moderator = User.objects.create_user("mo")
    moderator.user_permissions.add(Permission.objects.get(codename="judge_safety"))
    return User.objects.get(pk=moderator.pk)


def scored(owner: User, score: float | None = 0.9, *, seed: int = 0, visibility: str = "public") -> Asset:
    asset = stored(owner, picture(seed=seed), visibility=visibility)
    Asset.objects.filter(pk=asset.pk).update(unsafe_score=score)
    return Asset.objects.get(pk=asset.pk)


def hidden(asset: Asset) -> bool:
    """As one asset tells it, and as lists do, which must agree."""
    told = is_hidden(Asset.objects.get(pk=asset.pk))
    assert told == (not listed_assets(None).filter(pk=asset.pk).exists())
    assert told == Asset.objects.filter(taken_for_unsafe(), pk=asset.pk).exists()
    assert told != Asset.objects.exclude(taken_for_unsafe()).filter(pk=asset.pk).exists()
    return told


class TestWhatHolds:
    @pytest.mark.parametrize("score", [None, 0.1, 0.9])
    def test_a_moderators_word_beats_any_score_and_none_at_all(
        self, alice: User, mo: User, score: float | None
    ) -> None:
        asset = scored(alice, score)
        assert hidden(asset) is (score == 0.9)
        say(mo, asset.pk, "safe")
        assert hidden(asset) is False
        say(mo, asset.pk, "unsafe")
        assert hidden(asset) is True

    def test_it_is_kept_with_who_when_and_why_and_changes_no_word_of_the_photo(
        self, alice: User, mo: User
    ) -> None:
        asset = scored(alice)
        say(mo, asset.pk, "safe", "  a marble statue ")
        (said,) = statements_of(asset)
        assert (said.kind, said.note, said.said_by, said.taken_back_at) == (
            "safe",
            "a marble statue",
            mo,
            None,
        )
        changed = Asset.objects.get(pk=asset.pk)
        assert abs(said.said_at - asset.created_at) < timedelta(minutes=1)
        assert changed.updated_at == asset.updated_at
        assert changed.unsafe_score == 0.9

    def test_taking_back_restores_what_was_said_before_step_by_step(self, alice: User, mo: User) -> None:
        asset, other = scored(alice), User.objects.create_superuser("root")
        say(mo, asset.pk, "safe")
        say(other, asset.pk, "unsafe")
        assert hidden(asset) is True
        undone = take_back(mo, asset.pk)
        assert (undone.said_by, undone.taken_back_by) == (other, mo)
        assert hidden(asset) is False
        take_back(mo, asset.pk)
        assert hidden(asset) is True, "the score decides again"
        with pytest.raises(Conflict, match="Nobody has said anything"):
            take_back(mo, asset.pk)
        assert statements_of(asset).count() == 2, "nothing that was said is lost"

    def test_said_again_by_the_same_person_it_changes_nothing(self, alice: User, mo: User) -> None:
        asset = scored(alice)
        assert say(mo, asset.pk, "safe") == say(mo, asset.pk, "safe")
        assert statements_of(asset).count() == 1

    def test_it_outlives_the_account_of_who_said_it(self, alice: User, mo: User) -> None:
        asset = scored(alice)
        say(mo, asset.pk, "safe")
        mo.delete()
        assert statements_of(asset).get().said_by is None
        assert hidden(asset) is False


class TestWhoMay:
    def test_an_owner_may_hide_their_photo_and_undo_that_but_not_clear_it(
        self, alice: User, mo: User
    ) -> None:
        asset = scored(alice, 0.1)
        say(alice, asset.pk, "unsafe")
        assert hidden(asset) is True
        with pytest.raises(NotAllowed, match="A moderator decides"):
            say(alice, asset.pk, "safe")
        take_back(alice, asset.pk)
        assert hidden(asset) is False

    def test_an_owner_asks_and_a_moderators_answer_can_not_be_undone_by_them(
        self, alice: User, mo: User
    ) -> None:
        asset = scored(alice)
        say(alice, asset.pk, "ask", "my garden gnome")
        assert list(asked_to_look_again()) == [asset]
        assert hidden(asset) is True, "asking shows nothing yet"
        say(mo, asset.pk, "unsafe")
        assert not asked_to_look_again().exists()
        with pytest.raises(NotAllowed, match="A moderator decides"):
            take_back(alice, asset.pk)
        take_back(mo, asset.pk)
        assert list(asked_to_look_again()) == [asset], "the request waits again"
        take_back(alice, asset.pk)
        assert not asked_to_look_again().exists()

    def test_there_must_be_something_to_ask_for(self, alice: User, bob: User, mo: User) -> None:
        with pytest.raises(Conflict, match="Nothing is held against"):
            say(alice, scored(alice, 0.1).pk, "ask")
        with pytest.raises(Conflict, match="Only you see this photo"):
            say(alice, scored(alice, seed=1, visibility="private").pk, "ask")
        with pytest.raises(NotAllowed, match="Only its owner may ask"):
            say(mo, scored(bob, seed=2).pk, "ask")
        with pytest.raises(Conflict, match="Nobody has said anything"):
            take_back(alice, scored(alice, seed=3).pk)

    def test_others_say_nothing_and_learn_nothing(self, alice: User, bob: User, mo: User) -> None:
        asset = scored(alice)
        say(mo, asset.pk, "safe")
        bob.is_staff = True
        bob.save()
        for kind in ("safe", "unsafe", "ask"):
            with pytest.raises(NotAllowed, match="Only its owner"):
                say(bob, asset.pk, kind)
        with pytest.raises(NotAllowed):
            take_back(bob, asset.pk)
        for stranger in (bob, AnonymousUser(), None):
            known = safety_of(stranger, asset)
            assert (known.newest, known.may, known.may_take_back) == (None, (), None)
            assert not may_judge(stranger)

    def test_a_private_photo_of_another_does_not_exist_for_a_moderator(self, alice: User, mo: User) -> None:
        asset = scored(alice, visibility="private")
        with pytest.raises(NotFound):
            say(mo, asset.pk, "safe")
        with pytest.raises(NotFound):
            take_back(mo, asset.pk)
        with pytest.raises(NotFound):
            say(mo, 2**70, "safe")

    def test_a_request_for_a_photo_that_is_private_meanwhile_waits_for_nobody(self, alice: User) -> None:
        asset = scored(alice)
        say(alice, asset.pk, "ask")
        Asset.objects.filter(pk=asset.pk).update(visibility="private")
        assert not asked_to_look_again().exists()

    def test_what_each_is_offered_to_say(self, alice: User, mo: User) -> None:
        asset = scored(alice)
        assert safety_of(alice, asset).may == ("ask",)
        assert safety_of(mo, asset).may == ("safe", "unsafe")
        said = say(mo, asset.pk, "safe")
        asset.refresh_from_db()
        assert safety_of(alice, asset).may == ("unsafe",)
        assert safety_of(alice, asset).newest == said
        assert safety_of(alice, asset).may_take_back is None
        assert safety_of(mo, asset).may_take_back == said


@pytest.mark.parametrize(
    ("kind", "note", "field"),
    [("fine", "", "say"), ("", "", "say"), ("safe", "x" * 501, "note"), ("safe", "bell \x07", "note")],
)
def test_bad_input_names_the_field_and_is_not_kept(
    alice: User, mo: User, kind: str, note: str, field: str
) -> None:
    asset = scored(alice)
    with pytest.raises(InvalidInput) as refused:
        say(mo, asset.pk, kind, note)
    assert refused.value.field == field
    assert not SafetyStatement.objects.exists()
