"""What people accepted, edited or wrote, as a dataset folder that training reads.

The folder can be brought up to date as often as one likes: new photos are added, what was undone, deleted or made
private goes. It holds one row of captions.csv at a time and eight bytes per photo in memory, however many there are.
"""

import csv
import hashlib
import json
import os
import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from captioning.models import Caption, ReviewDecision
from core.errors import CorruptMedia, InvalidInput, NotFound, TooLarge, UnsupportedMedia
from core.locks import named_lock
from core.packages import file_sha256
from library.models import Asset
from library.plain_copies import write_plain_copy

CAPTIONS, IMAGES, MANIFEST = "captions.csv", "images", "export.json"
_COLUMNS = ("image", "split", "caption", "source", "title", "tags")
#: So many photos in ten are measured by and never trained on.
_DEV_TENTHS = 1
_CHUNK = 500
_OURS = re.compile(r"(?P<sha256>[0-9a-f]{64})\.[a-z]{3,4}(?P<half>\.new)?")


@dataclass(frozen=True)
class ReviewedCaptions:
    """Which captions: of public photos unless `include_private`, of one owner, decided since a moment."""

    include_private: bool = False
    owner: str = ""
    since: datetime | None = None

    def query(self) -> QuerySet[Caption]:
        """Sentences that people stand behind: what they wrote, else what they accepted of a model's."""
        written = Q(source=Caption.Source.HUMAN, state=Caption.State.EDITED)
        own = Caption.objects.filter(written, frame=OuterRef("frame"))
        accepted = Q(source=Caption.Source.MODEL, state=Caption.State.ACCEPTED) & ~Exists(own)
        captions = Caption.objects.filter(written | accepted, frame__asset__kind=Asset.Kind.IMAGE)
        if not self.include_private:
            captions = captions.filter(frame__asset__visibility=Asset.Visibility.PUBLIC)
        if self.owner:
            captions = captions.filter(frame__asset__owner__username=self.owner)
        if self.since:
            decided = ReviewDecision.objects.filter(frame=OuterRef("frame"), decided_at__gte=self.since)
            captions = captions.filter(Q(updated_at__gte=self.since) | Exists(decided))
        return captions

    def nothing(self) -> str:
        """That none is there, in words."""
        told = "No caption was accepted, edited or written by a person"
        told += f" since {self.since:%Y-%m-%d %H:%M}" if self.since else " yet"
        told += f" on photos of {self.owner}" if self.owner else ""
        return told + (
            "." if self.include_private else ", of those that are public; --include-private takes the others."
        )

    def check(self) -> None:
        """NotFound where the owner is nobody."""
        if self.owner and not get_user_model().objects.filter(username=self.owner).exists():
            raise NotFound(f"There is no user {self.owner!r}.")


def export_captions(folder: Path, which: ReviewedCaptions | None = None) -> dict[str, Any]:
    """Write or refresh the dataset in `folder`; returns its manifest, which is kept in export.json.

    InvalidInput where nothing was reviewed yet, or the folder holds something else; Conflict where another export
    into it is under way. A photo whose file is gone or damaged is left out and counted.
    """
    which = which or ReviewedCaptions()
    which.check()
    folder = folder.resolve()
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise InvalidInput(f"{folder} holds something else: name a new folder, or one of a former export.")
    captions = which.query()
    if not (folder / MANIFEST).is_file() and not captions.exists():
        raise InvalidInput(which.nothing())
    with named_lock(lock_of(folder), timeout_s=1):
        return _written(folder, which, captions)


def lock_of(folder: Path) -> str:
    """The name of the lock under which one process writes to this folder."""
    return f"export-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}"


def _written(folder: Path, which: ReviewedCaptions, captions: QuerySet[Caption]) -> dict[str, Any]:
    """Photos first, then the table by one rename, then its manifest; what is gone goes last."""
    images, table = folder / IMAGES, folder / CAPTIONS
    images.mkdir(parents=True, exist_ok=True)
    if not (folder / MANIFEST).is_file():  # from now on the folder is known as ours, whatever happens
        (folder / MANIFEST).write_text("{}", encoding="utf-8")
    scratch = table.with_name(f"{CAPTIONS}.new")
    counts = _Counts()
    kept = array("Q")
    with scratch.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for photo in _photos(captions, images, counts):
            kept.append(int(photo.sha256[:16], 16))
            writer.writerows(photo.rows)
    scratch.replace(table)
    manifest = {
        "made_at": timezone.now().isoformat(timespec="seconds"),
        "captions_sha256": file_sha256(table),
        **counts.told(),
        "selection": {**asdict(which), "since": which.since.isoformat() if which.since else None},
    }
    scratch = folder / f"{MANIFEST}.new"
    scratch.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    scratch.replace(folder / MANIFEST)
    _drop_others(images, kept)
    return manifest


class _Counts:
    """What a manifest tells."""

    def __init__(self) -> None:
        self.splits: Counter[str] = Counter()
        self.sources: Counter[str] = Counter()
        self.model_ids: Counter[str] = Counter()
        self.left_out = 0

    def told(self) -> dict[str, Any]:
        return {
            "photos": sum(self.splits.values()),
            "captions": sum(self.sources.values()),
            "splits": dict(self.splits),
            "sources": dict(self.sources),
            "model_ids": dict(self.model_ids),
            "left_out": self.left_out,
        }


@dataclass(frozen=True)
class _Photo:
    sha256: str
    rows: list[tuple[str, ...]]


def _photos(captions: QuerySet[Caption], images: Path, counts: _Counts) -> Iterator[_Photo]:
    """Each photo with its rows, in the order of its hash; its picture is there when it is yielded."""
    ends = captions.aggregate(low=Min("frame__asset__sha256"), high=Max("frame__asset__sha256"))
    corrected = Caption.objects.filter(
        frame=OuterRef("frame"), source=Caption.Source.MODEL, state=Caption.State.EDITED
    )
    found = (
        captions.annotate(corrects=Subquery(corrected.order_by("-pk").values("model_id")[:1]))
        .select_related("frame__asset")
        .prefetch_related("frame__asset__tags")
        .order_by("frame__asset__sha256", "pk")
        .iterator(chunk_size=_CHUNK)
    )
    for sha256, group in groupby(found, key=lambda caption: caption.frame.asset.sha256):
        of_photo = list(group)  # as many as people own the same file
        try:
            name = write_plain_copy(of_photo[0].frame.asset, images)
        except (CorruptMedia, UnsupportedMedia, TooLarge):
            counts.left_out += 1
            continue
        split = split_of(sha256, low=ends["low"], high=ends["high"])
        rows = list(_rows_of(of_photo, name, split, counts))
        counts.splits[split] += bool(rows)
        yield _Photo(sha256, rows)


def _rows_of(captions: list[Any], name: str, split: str, counts: _Counts) -> Iterator[tuple[str, ...]]:
    said: set[str] = set()
    for caption in captions:
        text = " ".join(caption.text.split())
        if not text or text in said:
            continue
        said.add(text)
        model_id = caption.model_id or caption.corrects or ""
        source = "accepted" if caption.model_id else "edited" if model_id else "written"
        counts.sources[source] += 1
        if model_id:
            counts.model_ids[model_id] += 1
        asset = caption.frame.asset
        tags = ", ".join(sorted(tag.name for tag in asset.tags.all()))
        yield (name, split, text, source, asset.title, tags)


def split_of(sha256: str, *, low: str, high: str) -> str:
    """`dev` for the lowest tenth of all hashes, else `train`: so a photo is on the same side in every export.

    low, high: the outermost hashes of this export. The lowest is dev and the highest train in any case, so that
    neither side is empty. While none of a few photos lies in the lowest tenth, a new one may thus take the place of
    the one in dev, which then is trained on; the other way, which would measure by what was trained on, none goes
    unless photos are taken away.
    """
    if low == high:
        return "train"
    tenth = int(sha256[:8], 16) * 10 >> 32
    return "dev" if sha256 == low or (tenth < _DEV_TENTHS and sha256 != high) else "train"


def _drop_others(images: Path, kept: "array[int]") -> None:
    """Remove the pictures of photos that are not in `kept`, the sorted first 64 bits of hashes; no file but ours."""
    with os.scandir(images) as files:  # never all names at once
        for file in files:
            found = _OURS.fullmatch(file.name)
            if found is None:
                continue
            key = int(found["sha256"][:16], 16)
            at = bisect_left(kept, key)
            known = at < len(kept) and kept[at] == key
            if not known or found["half"]:  # the half of a file is of an export that was cut off
                (images / file.name).unlink()


def reviewed_since(moment: datetime | None) -> int:
    """How many captions people accepted, edited or wrote since; of public photos, as an export takes them."""
    return ReviewedCaptions(since=moment).query().count()
