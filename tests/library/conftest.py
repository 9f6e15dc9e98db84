"""People and a clean store. Alice owns, bob is a stranger, carol is staff."""

import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from library.asset_store import store_upload
from library.models import Asset
from tests.library.pictures import picture
from workers import pipeline


@pytest.fixture(autouse=True)
def media() -> Iterator[Path]:
    """The folder of stored files, empty before and after."""
    folder = Path(settings.MEDIA_ROOT)
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the workers were told; no test of this room needs a Redis."""
    told: list[str] = []
    monkeypatch.setattr(pipeline, "wake", lambda stage=None: told.append("wake"))
    monkeypatch.setattr(pipeline, "added", lambda assets: told.append(f"added {len(assets)}"))
    return told


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", password="a long pass phrase")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob", password="a long pass phrase")


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create_user("carol", password="a long pass phrase", is_staff=True, is_superuser=True)


def stored(owner: User, content: bytes | None = None, name: str = "photo.jpg", **words: Any) -> Asset:
    """One asset of `owner`."""
    return store_upload(owner, BytesIO(content or picture()), name=name, **words).asset


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
