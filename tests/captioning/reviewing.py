"""Photos whose captions wait for review, as rows alone, and the people who may decide them."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection

from captioning.models import Caption, ReviewDecision
from captioning.review import decide
from library.models import Asset
from tests.search.photos import stored

T = TypeVar("T")
MODEL = "fake-captioner"
_PERMISSIONS = ("review_caption", "review_private_caption")


def person(name: str, *permissions: str) -> User:
    """Somebody who may review what these permissions say, beside their own photos."""
    assert set(permissions) <= set(_PERMISSIONS)
    user = User.objects.create_user(name, password="correct-horse-7")
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return User.objects.get(pk=user.pk)  # permissions are remembered by the instance


def doubted(owner: User, text: str = "a dog", *, priority: float = 0.5, **asset: Any) -> Caption:
    """A caption that the screen wants a person to see. Photos are unlike each other unless a hash is given."""
    serial = Asset.objects.count() + 1
    asset.setdefault("perceptual_hash", f"{serial * 0x9E3779B97F4A7C15 % 2**64:016x}")
    frame = stored(owner, **asset).frames.get()
    return Caption.objects.create(
        frame=frame,
        source=Caption.Source.MODEL,
        model_id=MODEL,
        text=text,
        alternatives=[f"{text} on grass", f"{text} that runs"],
        state=Caption.State.TO_REVIEW,
        doubts=["confidence", "match"],
        review_priority=priority,
    )


def decided(reviewer: User, caption: Caption, kind: str, text: str = "") -> ReviewDecision:
    """A decision on the caption as it is now."""
    caption.refresh_from_db()
    return decide(reviewer, caption.pk, kind, shown=caption.text, text=text)


def at_once(act: Callable[[User], T], reviewers: Sequence[User]) -> list[T]:
    """What each of them gets from doing this at the same moment."""
    start = threading.Barrier(len(reviewers))

    def work(reviewer: User) -> T:
        try:
            start.wait()
            return act(reviewer)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(reviewers)) as threads:
        return list(threads.map(work, reviewers))


@pytest.fixture
def alice(transactional_db: None) -> User:
    return person("alice")


@pytest.fixture
def bob(transactional_db: None) -> User:
    return person("bob", "review_caption")


@pytest.fixture
def dora(transactional_db: None) -> User:
    return person("dora", "review_caption", "review_private_caption")
