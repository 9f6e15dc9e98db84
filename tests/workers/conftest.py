"""Pictures to work on, and this process joined to the tests' Redis."""

import io
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from PIL import Image
from pytest_django import Settings

from library.asset_store import store_upload
from library.frames import make_frames
from library.models import Asset, Frame
from tests.captioning.checkpoints import registered, shipped  # noqa: F401 - fixtures
from tests.fakes import PALETTE
from workers import messages

MakeAssets = Callable[..., list[Asset]]
MakeFrames = Callable[..., list[Frame]]


def png(colour: str | tuple[int, int, int], *, seed: int = 0) -> io.BytesIO:
    """A picture of one colour; the seed changes a pixel, so that no two have the same bytes."""
    picture = Image.new("RGB", (64, 48), PALETTE[colour][0] if isinstance(colour, str) else colour)
    picture.putpixel((seed % 64, seed // 64 % 48), (seed % 256, seed // 256 % 256, 7))
    file = io.BytesIO()
    picture.save(file, "PNG")
    file.seek(0)
    return file


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", password="wonderland")


@pytest.fixture
def make_assets(alice: User, transactional_db: None) -> MakeAssets:
    """`make_assets("red", "blue")` stores a picture of each colour."""
    made: list[Asset] = []

    def make(*colours: str | tuple[int, int, int], owner: User = alice) -> list[Asset]:
        new = [
            store_upload(owner, png(colour, seed=len(made) + at), name=f"{at}.png").asset
            for at, colour in enumerate(colours)
        ]
        made.extend(new)
        return new

    return make


@pytest.fixture
def make_pictures(make_assets: MakeAssets) -> MakeFrames:
    """Like `make_assets`, with their frames made: what the describe stage finds."""

    def make(*colours: str | tuple[int, int, int]) -> list[Frame]:
        return [frame for asset in make_assets(*colours) for frame in make_frames(asset)]

    return make


@pytest.fixture
def no_redis(settings: Settings) -> Iterator[None]:
    """Nothing listens where Redis should be."""
    yield from joined(settings, "redis://127.0.0.1:9/0")


@pytest.fixture
def redis(settings: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """This process talks to the tests' Redis; the fixture is a client of it, and it is empty.

    With patience: on a machine that does ten things at once even a local Redis answers late.
    """
    monkeypatch.setattr(messages, "PATIENCE_S", 10.0)
    ours = joined(settings, redis_url)
    next(ours)
    messages.client().flushdb()
    yield messages.client()
    messages.client().flushdb()
    next(ours, None)


@pytest.fixture(autouse=True)
def _no_messages_by_default(settings: Settings) -> Iterator[None]:
    """Tests that start no Redis must not find one by chance."""
    yield from joined(settings, "redis://127.0.0.1:9/0")


def joined(settings: Settings, url: str) -> Iterator[None]:
    """Until it goes on, this process talks to the Redis at this address."""
    before = settings.REDIS_URL
    settings.REDIS_URL = url
    _forget_connections()
    yield
    settings.REDIS_URL = before
    _forget_connections()


def _forget_connections() -> None:
    messages.client.cache_clear()
    messages.breaker = messages._Breaker()
