"""Going through all frames while others write."""

from threading import Thread

import pytest
from django.contrib.auth.models import User
from django.db import connection

from library import frames
from library.models import Asset, Frame
from tests.library.conftest import stored
from tests.library.pictures import picture

pytestmark = pytest.mark.django_db(transaction=True)


def _retitled() -> None:
    Asset.objects.update(title="written by another")
    connection.close()


def test_others_and_oneself_may_write_between_two_frames(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_READ_AT_ONCE", 2)
    made = [Frame.objects.create(asset=stored(alice, picture(seed=seed))) for seed in range(5)]
    seen = []
    for frame in frames.one_by_one(Frame.objects.all()):
        other = Thread(target=_retitled)
        other.start()
        other.join()
        Frame.objects.filter(pk=frame.pk).update(number=1)
        seen.append(frame)
        if len(seen) == 1:
            made.pop().delete()
    assert seen == made
