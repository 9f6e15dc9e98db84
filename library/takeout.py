"""All photos of one person in one zip file, made while it is sent: neither memory nor disk ever holds it whole."""

import json
import zipfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import chain, count
from tempfile import TemporaryFile
from typing import Any

from django.contrib.auth.models import User
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import prefetch_related_objects
from django.utils import timezone

from library import storage
from library.media.formats import PICTURE_SUFFIXES
from library.models import Asset

#: In the zip file: the originals, and what is known of each.
PHOTOS, LIST = "photos", "photos.json"
_BATCH = 100
_PIECE_BYTES = 1 << 20
#: What no system, or not every one, takes in a file's name.
_NOT_IN_NAMES = str.maketrans('<>:"/\\|?*', "_________")
#: Systems take 255 for a whole name.
_STEM_MAX_BYTES = 200
#: The first that a zip file can name.
_FIRST_YEAR = 1980

Pieces = Generator[bytes, None, bool]


def takeout(owner: User, told: Callable[[Sequence[Asset]], Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    """The zip file in pieces: the original of each of their photos, the oldest first, and a list of them in JSON.

    told: what other rooms know of some photos, in their order. Where a stored file is gone, the list names none.
    Unavailable where the store is away: the file then breaks off.
    """
    sent, taken = _Sent(), set[str]()
    with zipfile.ZipFile(sent, "w") as archive, TemporaryFile("w+b") as entries:
        for assets in _batches(owner):
            for asset, known in zip(assets, told(assets), strict=True):
                name = f"{PHOTOS}/{_free_name(asset, taken)}"
                stored = yield from _original(archive, sent, asset, name)
                entry = {"file": name if stored else None, **_known(asset), **known}
                entries.write(b",\n" if entries.tell() else b"[\n")
                entries.write(json.dumps(entry, cls=DjangoJSONEncoder, ensure_ascii=False).encode())
        entries.write(b"\n]\n" if entries.tell() else b"[]\n")
        entries.seek(0)
        with archive.open(LIST, "w") as target:
            while piece := entries.read(_PIECE_BYTES):
                target.write(piece)
                yield sent.since()
    yield sent.since()


class _Sent:
    """What a zip file is written to where nobody can go back in it: keeps what was not asked for yet."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """There is nothing to close."""

    def since(self) -> bytes:
        """What was written since this was asked last."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _batches(owner: User) -> Iterator[list[Asset]]:
    """Some at a time, since rows held open keep a connection busy while slow people download."""
    last = 0
    while assets := list(Asset.objects.filter(owner=owner, pk__gt=last).order_by("pk")[:_BATCH]):
        prefetch_related_objects(assets, "tags", "frames")
        yield assets
        last = assets[-1].pk


def _original(archive: zipfile.ZipFile, sent: _Sent, asset: Asset, name: str) -> Pieces:
    """The pieces of one stored file; returns whether there is one. Pictures are packed as small as they get already."""
    try:
        file = storage.open_file(asset.original_key)
    except FileNotFoundError:
        return False
    entry = zipfile.ZipInfo(name, _moment(asset))
    entry.file_size = asset.size_bytes  # so that it is known in time whether it needs the large format
    with file, archive.open(entry, "w") as target:
        for piece in file.chunks(_PIECE_BYTES):
            target.write(piece)
            yield sent.since()
    return True


def _known(asset: Asset) -> dict[str, Any]:
    return {
        "title": asset.title,
        "description": asset.description,
        "tags": [tag.name for tag in asset.tags.all()],
        "visibility": asset.visibility,
        "taken_at": asset.taken_at,
        "uploaded_at": asset.created_at,
        "camera": asset.camera,
        "latitude": asset.latitude,
        "longitude": asset.longitude,
        "width_px": asset.width_px,
        "height_px": asset.height_px,
        "sha256": asset.sha256,
    }


def _free_name(asset: Asset, taken: set[str]) -> str:
    """The name that it came with, and a number behind it where another one has it."""
    stem, ending = _name_parts(asset)
    numbers = chain(("", f"-{asset.pk}"), (f"-{asset.pk}-{again}" for again in count(2)))
    names = (f"{stem}{number}.{ending}" for number in numbers)
    name = next(each for each in names if each.casefold() not in taken)
    taken.add(name.casefold())
    return name


def _name_parts(asset: Asset) -> tuple[str, str]:
    """So far as any system takes the name that it came with, and with the ending of a picture."""
    came = asset.original_name.translate(_NOT_IN_NAMES).strip(". ")
    stem, _, ending = came.rpartition(".")
    if f".{ending.lower()}" not in PICTURE_SUFFIXES:
        stem, ending = came, asset.original_key.rpartition(".")[2]
    return stem.encode()[:_STEM_MAX_BYTES].decode(errors="ignore") or "photo", ending


def _moment(asset: Asset) -> tuple[int, int, int, int, int, int]:
    at = timezone.localtime(asset.taken_at or asset.created_at)
    if at.year < _FIRST_YEAR:
        return (_FIRST_YEAR, 1, 1, 0, 0, 0)
    return (at.year, at.month, at.day, at.hour, at.minute, at.second)
